"""``modelkit models``, which is ``shrutlekh models``: add, list, compare and remove installed models."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column, Table
from shrutlekh_contract.model_card import ModelCard

from modelkit.catalogue import Listed, best_wer, installed, listed, make_default, remove
from modelkit.description import read_description
from modelkit.graphs.variants import POINTS, WORTH
from modelkit.measuring.manifest import Entry, read_manifest
from modelkit.verification import Check, verify

console = Console()
errors = Console(stderr=True)

PROGRAM = "SHRUTLEKH_PROGRAM"
"""Variable of the environment with the name of the program in --help, if another one started this."""

MARKS = {True: "[green]ok[/]", False: "[red]failed[/]", None: "[yellow]skipped[/]"}

ADD_EPILOG = """Examples:

shrutlekh models add ai4bharat/indicwav2vec-hindi

shrutlekh models add vasista22/whisper-hindi-small --manifest mine/test.tsv

shrutlekh models add ./indicconformer_hi.nemo --name indicconformer

An interrupted download goes on when the same command runs again. Private and gated models need HF_TOKEN."""

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Add, list, compare and remove installed models."
)

Models = Annotated[
    Path,
    typer.Option(
        "--models", envvar="SHRUTLEKH_MODELS_DIR", metavar="DIR", help="Folder of the installed models."
    ),
]
Name = Annotated[str, typer.Argument(help="Name of an installed model.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
MODELS = Path("models")


class Terminal:
    """Reports progress on standard error, for a person."""

    def tell(self, sentence: str) -> None:
        errors.print(sentence, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def bar(self, name: str, total: int, *, in_bytes: bool = False) -> Iterator[Callable[[int], None]]:
        amount = (DownloadColumn(), TransferSpeedColumn()) if in_bytes else (MofNCompleteColumn(),)
        columns = (TextColumn("{task.description}"), BarColumn(), *amount, TimeRemainingColumn())
        with Progress(*columns, console=errors, transient=True) as progress:
            task = progress.add_task(name, total=total)
            yield lambda steps: progress.advance(task, steps)

    def check(self, check: Check) -> None:
        errors.print(f"{MARKS[check.passed]:>8} {check.name}:", end=" ")
        errors.print(check.found, markup=False, highlight=False, soft_wrap=True)


def entries_of(manifest: Path | None, speaker: list[str] | None = None) -> list[Entry]:
    """Read the recordings of a manifest; none if there is no manifest."""
    if manifest is None:
        return []
    entries = read_manifest(manifest, speaker or ())
    if not entries:
        raise typer.BadParameter(f"{manifest} has no matching recordings.")
    return entries


@app.command(epilog=ADD_EPILOG)
def add(
    source: Annotated[
        str, typer.Argument(help="Hub id such as ORG/NAME or ORG/NAME@REVISION, folder, or .nemo file.")
    ],
    models: Models = MODELS,
    name: Annotated[
        str | None, typer.Option(help="Name of the installed model. Default: the source's.")
    ] = None,
    language: Annotated[str, typer.Option(help="Language that a multilingual model is to write.")] = "hi",
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="TSV with the columns path, text, speaker: measure error rates, try smaller graphs."
        ),
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Licence of the weights, if the source does not name it.")
    ] = None,
    points: Annotated[
        float, typer.Option(min=0, help="Points of WER that a smaller graph may cost, in percent.")
    ] = POINTS,
    worth: Annotated[
        float, typer.Option(min=0, max=1, help="Share of float32's CPU time that a smaller graph may take.")
    ] = WORTH,
    clip: Annotated[
        Path | None, typer.Option(help="Recording whose text later runs of `models verify` expect.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a model of that name that came from elsewhere.")
    ] = False,
    default: Annotated[bool, typer.Option("--default", help="Make it the default model.")] = False,
) -> None:
    """Download, convert, verify, measure, optimise and install a model, or nothing."""
    from modelkit.adding import Request
    from modelkit.adding import add as run

    request = Request(
        source,
        models,
        name,
        language,
        licence,
        entries_of(manifest),
        manifest.resolve().parent.name if manifest else "",
        clip,
        points,
        worth,
        replace,
    )
    folder = run(request, Terminal())
    if default:
        make_default(models, folder.name)
    console.print(f"Installed: {folder.name}. Submit jobs with model={folder.name}.", highlight=False)


@app.command("list")
def list_models(models: Models = MODELS, as_json: AsJson = False) -> None:
    """List the installed models."""
    found = listed(models)
    if as_json:
        typer.echo(json.dumps([_document(model) for model in found], ensure_ascii=False))
        return
    names = Column("name", overflow="fold")
    table = Table(names, "family", "language", "graph", "size", "WER", Column("licence", overflow="fold"))
    for model in found:
        name = f"{model.name} (default)" if model.is_default else model.name
        table.add_row(name, *_cells(model))
    console.print(table)


@app.command()
def show(name: Name, models: Models = MODELS, as_json: AsJson = False) -> None:
    """Show where a model comes from, how it was made, and what was measured."""
    entries = read_description(installed(models, name))
    if as_json:
        typer.echo(json.dumps(entries, ensure_ascii=False, indent=2))
        return
    for key, value in _facts(entries).items():
        console.print(f"[bold]{key}[/]:", end=" ")
        console.print(value, markup=False, highlight=False, soft_wrap=True)
    if entries.get("evaluation"):
        console.print(_evaluation_table(entries["evaluation"]))
    if entries.get("variants"):
        console.print(_variant_table(entries["variants"]))


@app.command("verify")
def verify_model(
    name: Name,
    models: Models = MODELS,
    samples: Annotated[Path, typer.Option(help="Folder of the clip that model.json names.")] = Path(
        "samples"
    ),
) -> None:
    """Check hashes, graphs, padding and the text of a fixed clip. Exits with 1 if a check fails."""
    terminal, passed = Terminal(), True
    for check in verify(installed(models, name), samples):
        terminal.check(check)
        passed = passed and check.passed is not False
    if not passed:
        raise typer.Exit(1)


@app.command("remove")
def remove_model(name: Name, models: Models = MODELS) -> None:
    """Delete an installed model. Its queued jobs will fail with `model_not_installed`."""
    remove(models, name)
    console.print(f"Removed: {name}.", highlight=False)


@app.command("default")
def default_model(name: Name, models: Models = MODELS) -> None:
    """Make a model the one for jobs that name none. Services use it after their next start."""
    make_default(models, name)
    console.print(f"Default: {name}. Restart the service to use it.", highlight=False)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="Name of an installed model.")],
    second: Annotated[str, typer.Argument(help="Name of another one.")],
    manifest: Annotated[Path, typer.Option(help="TSV with the columns path, text, speaker.")],
    speaker: Annotated[list[str] | None, typer.Option(help="Only this speaker. Repeatable.")] = None,
    models: Models = MODELS,
    as_json: AsJson = False,
) -> None:
    """Measure two models on the same recordings: error rates, their difference, and CPU time."""
    from modelkit.measuring.comparison import difference, run_both
    from speech import Engine

    entries = entries_of(manifest, speaker)
    engines = [(name, Engine.load(installed(models, name))) for name in (first, second)]
    with Terminal().bar("recordings", 2 * len(entries)) as advance:
        runs = run_both(engines, entries, lambda: advance(1))
    found = difference(runs[0].results, runs[1].results)
    document: dict[str, Any] = {
        "recordings": len(entries),
        "models": [
            {
                "name": run.name,
                **{key: round(rate.value, 4) for key, rate in run.rates.items()},
                "cpu_seconds": round(run.cpu_seconds, 5),
            }
            for run in runs
        ],
        "wer_difference": {
            "value": round(found.value, 4),
            "interval": [round(found.low, 4), round(found.high, 4)],
            "second_is_better": round(found.better, 3),
        },
    }
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    table = Table("model", "WER", "CER", "WER folded", "CPU s per s of audio")
    for run in runs:
        rates = [f"{run.rates[key].value:.4f}" for key in ("wer", "cer", "wer_folded")]
        table.add_row(run.name, *rates, f"{run.cpu_seconds:.4f}")
    console.print(table)
    console.print(
        f"WER of {second} less that of {first}: {found.value:+.4f} (95 % interval {found.low:+.4f} to "
        f"{found.high:+.4f}); {second} is better in {found.better:.0%} of resamples.",
        highlight=False,
        soft_wrap=True,
    )


def _cells(model: Listed) -> list[str]:
    if model.card is None:
        return ["[red]invalid[/]", "", "", _mebibytes(model.bytes), "", model.complaint]
    measured = best_wer(model.card)
    wer = f"{measured['wer']:.1%} {measured['set']}" if measured else "not measured"
    card = model.card
    return [
        card.family,
        card.language,
        card.precision,
        _mebibytes(model.bytes),
        wer,
        card.licence or "unknown",
    ]


def _document(model: Listed) -> dict[str, Any]:
    card = model.card
    measured = best_wer(card) if isinstance(card, ModelCard) else None
    return {
        "name": model.name,
        "default": model.is_default,
        "family": card.family if card else None,
        "language": card.language if card else None,
        "precision": card.precision if card else None,
        "licence": card.licence if card else None,
        "bytes": model.bytes,
        "wer": measured["wer"] if measured else None,
        "set": measured["set"] if measured else None,
        "error": model.complaint or None,
    }


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"


def _facts(entries: dict[str, Any]) -> dict[str, str]:
    origin = entries.get("source", {})
    revision = f" at {origin['revision']}" if origin.get("revision") else ""
    facts = {
        "name": entries["name"],
        "family": entries["family"],
        "language": entries["language"],
        "licence": entries.get("licence") or "unknown",
        "source": f"{origin['id']}{revision}" if origin else "",
        "description": entries.get("description", ""),
        "graph": entries.get("precision", "float32"),
        "conversion": ", ".join(f"{key} {value}" for key, value in entries.get("conversion", {}).items()),
    }
    return {key: str(value) for key, value in facts.items() if value}


def _evaluation_table(measured: list[dict[str, Any]]) -> Table:
    table = Table("set", "decoder", "clips", "WER", "CER", title="measured")
    for entry in measured:
        rates = [f"{entry[key]:.4f}" if key in entry else "" for key in ("wer", "cer")]
        table.add_row(str(entry.get("set")), str(entry.get("decoder")), str(entry.get("clips")), *rates)
    return table


def _variant_table(variants: dict[str, Any]) -> Table:
    table = Table(
        "graph", "WER", "CPU s per s", "ratio", "size", "chosen", title=f"graphs, {variants['set']}"
    )
    for row in variants["measured"]:
        table.add_row(
            row["variant"],
            f"{row['wer']:.4f}",
            f"{row['cpu_seconds']:.4f}",
            f"{row['cpu_ratio']:.2f}",
            _mebibytes(row["bytes"]),
            "yes" if row["chosen"] else "",
        )
    return table
