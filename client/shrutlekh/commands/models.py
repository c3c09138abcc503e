"""``shrutlekh models``."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shrutlekh.client import ShrutlekhClient
from shrutlekh.commands.options import Url


def models(
    url: Url = "http://127.0.0.1:8000",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")] = False,
) -> None:
    """List the installed models with their measured error rates."""
    with ShrutlekhClient(url) as client:
        document = client.models()
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    table = Table("model", "language", "licence", "measured")
    for model in document["models"]:
        default = " (default)" if model["name"] == document["default"] else ""
        measured = "\n".join(_measured(result) for result in model.get("evaluation", []))
        cells = (model["name"] + default, model["language"], model["licence"], measured)
        table.add_row(*map(escape, cells))
    Console().print(table)


def _measured(result: dict[str, Any]) -> str:
    return f"{result['set']}: WER {result['wer']:.1%}, CER {result['cer']:.1%}"
