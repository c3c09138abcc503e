"""``shrutlekh models``."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer
from shrutlekh_contract.decoders import BEAM, GREEDY

from shrutlekh.api_keys import key_in
from shrutlekh.client import ShrutlekhClient
from shrutlekh.commands.options import ApiKeyFile, Url

_HOW = {BEAM: "with the language model (beam)", GREEDY: "without a language model (greedy)"}


def models(
    url: Url = "http://127.0.0.1:8000",
    api_key_file: ApiKeyFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """List the installed models with their measured error rates."""
    with ShrutlekhClient(url, api_key=key_in(api_key_file)) as client:
        document = client.models()
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    for model in document["models"]:
        is_default = model["name"] == document["default"]
        typer.echo(
            f"{model['name']}{' (default)' if is_default else ''}: {model['language']}, {model['licence']}"
        )
        for line in _measured(model.get("evaluation", [])):
            typer.echo(f"  {line}")


def _measured(evaluation: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the error rates of each test set, those with the language model first."""
    by_set: dict[str, list[Mapping[str, Any]]] = {}
    for result in evaluation:
        by_set.setdefault(str(result.get("set", "unnamed test set")), []).append(result)
    for name, results in by_set.items():
        yield name
        for result in sorted(results, key=lambda result: result.get("decoder") != BEAM):
            rates = (f"{rate.upper()} {result[rate]:.1%}" for rate in ("wer", "cer") if rate in result)
            yield f"  {', '.join(rates)} {_HOW.get(result.get('decoder', ''), '')}".rstrip()
