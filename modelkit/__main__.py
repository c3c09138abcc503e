"""``modelkit``: verify, evaluate, break down, tune, quantise, optimise and install model folders."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from shrutlekh_contract.decoders import decoders_of

from modelkit.decoding.decoder_commands import COMMANDS, Manifests, Speakers, chosen_entries
from modelkit.decoding.tuning import Search, install_language_model, posteriors, record_decoding, token_priors
from modelkit.description import read_description, record_evaluation, write_description
from modelkit.errors import ModelkitError
from modelkit.folder_swap import copy_folder
from modelkit.graphs.layouts import EXPORTS, Layout
from modelkit.measuring.breakdown import breakdown as break_down
from modelkit.measuring.breakdown import markdown, write_card
from modelkit.measuring.evaluation import (
    Scored,
    by_speaker,
    rates,
    score_hypotheses,
    score_model,
    summary,
)
from modelkit.measuring.spelling_variants import FOLDING
from modelkit.models_app import MARKS, PROGRAM, entries_of
from modelkit.models_app import app as models_app
from modelkit.verification import record_check
from modelkit.verification import verify as run_checks
from speech import Engine, ModelFolder, SpeechError
from speech.decoding import BeamSettings

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
console = Console()
errors = Console(stderr=True)

Samples = Annotated[Path, typer.Option(help="Folder of the clip for the check in model.json.")]
SAMPLES = Path("samples")
Precision = Annotated[
    str | None, typer.Option(help="float32, or int8 for the graph of `quantise`. Default: as in model.json.")
]
LABELS = {"wer": "WER", "cer": "CER", "wer_folded": "WER folded", "cer_folded": "CER folded"}


@contextmanager
def _bar(name: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar on standard error. Yields a function to call after each step."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        bar = progress.add_task(name, total=total)
        yield lambda: progress.advance(bar)


def _passes(folder: Path, samples: Path) -> bool:
    passed = True
    for check in run_checks(folder, samples):
        console.print(f"{MARKS[check.passed]:>8} {check.name}:", end=" ")
        console.print(check.found, markup=False, highlight=False)
        passed = passed and check.passed is not False
    return passed


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="Model folder, such as models/hi-ctc-base.")],
    samples: Samples = SAMPLES,
    record: Annotated[
        Path | None, typer.Option(help="First record this clip and its current text in model.json.")
    ] = None,
) -> None:
    """Check hashes, graph, padding and the text of a fixed clip. Exits with 1 if a check fails."""
    if record is not None:
        record_check(folder, record)
        samples = record.parent
    if not _passes(folder, samples):
        raise typer.Exit(1)


@app.command()
def evaluate(
    manifest: Annotated[Path, typer.Option(help="TSV with the columns path, text, speaker.")],
    folder: Annotated[Path | None, typer.Argument(help="Model folder to run.")] = None,
    hypotheses: Annotated[
        Path | None, typer.Option(help="Folder of NAME.txt, as `shrutlekh submit --out` writes them.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the set. Default: its folder's name.")] = None,
    speaker: Annotated[list[str] | None, typer.Option(help="Only this speaker. Repeatable.")] = None,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    decoder: Annotated[str | None, typer.Option(help="greedy or beam. Default: the model's default.")] = None,
    precision: Precision = None,
    write: Annotated[bool, typer.Option(help="Record the figures in model.json.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    show: Annotated[int, typer.Option(help="Print this many references and hypotheses.")] = 0,
) -> None:
    """Measure corpus WER and CER of a model or of existing transcripts, with 95 % bootstrap intervals.

    Prints strict rates and rates with spelling variants folded, see docs/measure-accuracy.md.
    """
    if (folder is None) == (hypotheses is None):
        raise typer.BadParameter("Give either a model folder or --hypotheses.")
    if write and folder is None:
        raise typer.BadParameter("--write needs a model folder.")
    if write and precision is not None:
        raise typer.BadParameter("--write records only figures of the precision named in model.json.")
    entries = entries_of(manifest, speaker)
    if hypotheses is not None:
        results, decoded_by = score_hypotheses(hypotheses, entries), "unknown"
    else:
        engine = Engine.load(folder, threads, precision, decoder)  # type: ignore[arg-type]
        decoded_by = engine.decoder_name
        with _bar("recordings", len(entries)) as advance:
            results = score_model(engine, entries, advance)
    measured = summary(name or manifest.resolve().parent.name, results, decoded_by)
    if write and folder is not None:
        record_evaluation(folder, measured)
    if as_json:
        typer.echo(json.dumps(measured, ensure_ascii=False))
        return
    _print(measured["set"], results, show)


@app.command()
def breakdown(
    folder: Annotated[Path, typer.Argument(help="Model folder to run.")],
    manifest: Annotated[Path, typer.Option(help="TSV with the columns path, text, speaker, gender.")],
    name: Annotated[str | None, typer.Option(help="Name of the set. Default: its folder's name.")] = None,
    speaker: Annotated[list[str] | None, typer.Option(help="Only this speaker. Repeatable.")] = None,
    decoder: Annotated[
        list[str] | None,
        typer.Option(help="greedy or beam. Repeatable. Default: all that the model supports."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    card: Annotated[
        Path | None, typer.Option(help="Model card (Markdown) whose table of this name to replace.")
    ] = None,
) -> None:
    """Measure error rates by speaker, gender, length, rate and noise, and over a simulated telephone line."""
    entries = entries_of(manifest, speaker)
    names = decoder or decoders_of(folder)
    engines = {chosen: Engine.load(folder, threads, decoder=chosen) for chosen in names}
    with _bar("recordings", 2 * len(names) * len(entries)) as advance:
        rows = break_down(engines, entries, advance)
    table = markdown(rows)
    typer.echo(table)
    if card is not None:
        write_card(card, name or manifest.resolve().parent.name, table)


@app.command()
def tune(
    folder: Annotated[Path, typer.Argument(help="Model folder; the weights are recorded in its model.json.")],
    manifest: Manifests,
    speaker: Speakers = None,
    language_model: Annotated[
        Path | None, typer.Option(help="Folder with words.arpa.gz to install first, as the model's lm/.")
    ] = None,
    priors: Annotated[
        Path | None, typer.Option(help="TSV of training recordings to estimate token priors from.")
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="Speaker or book of --priors to leave out. Repeatable.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the dev set. Default: the folders' names.")
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Number of settings to try.")] = 100,
    beam: Annotated[
        int, typer.Option(min=1, help="Hypotheses kept per frame. Fewer raise the WER and save little CPU.")
    ] = BeamSettings().beam,
    threshold: Annotated[
        float, typer.Option(help="Drop hypotheses that score worse than the best by more (natural log).")
    ] = BeamSettings().threshold,
    precision: Precision = None,
    seed: int = 0,
) -> None:
    """Find the weights of beam search with the fewest errors on a dev set, and record them."""
    if language_model is not None:
        install_language_model(language_model, folder)
    engine = Engine.load(folder, precision=precision, decoder="greedy")
    spoken = chosen_entries([priors], None, without) if priors else []
    entries = chosen_entries(manifest, speaker, None)
    with _bar("recordings", len(spoken) + len(entries)) as advance:
        means = token_priors(posteriors(engine, spoken, advance)) if spoken else ()
        heard = posteriors(engine, entries, advance)
    search = Search(engine.folder, entries, heard, means, beam, seed, threshold)
    with _bar("settings", trials) as advance:
        for _ in range(trials):
            search.step()
            advance()
    best = search.best
    found = search.found(name or ", ".join(path.resolve().parent.name for path in manifest))
    record_decoding(folder, best, found)
    console.print(f"alpha {best.alpha}, beta {best.beta}, prior {best.prior}, beam {best.beam}")
    console.print(f"WER {found['wer']:.4f}, CER {found['cer']:.4f}")
    console.print(f"WER of greedy decoding {found['greedy_wer']:.4f}")
    console.print(f"WER of each speaker with the others' best weights {found['cross_validated_wer']:.4f}")


def _print(name: str, results: list[Scored], show: int) -> None:
    table = Table("speaker", "recordings", "words", *LABELS.values(), title=name)
    for speaker, group in by_speaker(results).items():
        table.add_row(speaker or "?", *_cells(group))
    table.add_section()
    table.add_row("all", *_cells(results))
    console.print(table)
    found = rates(results)
    for key, label in LABELS.items():
        low, high = found[key].low, found[key].high
        console.print(f"{label} {found[key].value:.4f}  (95 % interval {low:.4f} to {high:.4f})")
    spelling = found["wer"].value - found["wer_folded"].value
    console.print(f"{spelling:.4f} of the WER is spelling ({FOLDING}).", soft_wrap=True)
    for result in results[:show]:
        console.print(f"{result.entry.text}\n  {result.hypothesis}", markup=False, highlight=False)


def _cells(group: list[Scored]) -> list[str]:
    words = sum(r.words.reference_length for r in group)
    found = rates(group)
    return [str(len(group)), str(words), *(f"{found[key].value:.3f}" for key in LABELS)]


@app.command()
def quantise(
    folder: Annotated[Path, typer.Argument(help="Model folder; gets model.int8.onnx.")],
    float16: Annotated[
        bool, typer.Option("--float16", help="Instead add model.float16.onnx, for GPUs.")
    ] = False,
) -> None:
    """Add a graph with 8-bit weights. Measure it with `evaluate --precision int8`."""
    from modelkit.graphs.quantisation import halve
    from modelkit.graphs.quantisation import quantise as run

    path = halve(folder) if float16 else run(folder)
    console.print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")


@app.command()
def optimise(
    folder: Annotated[Path, typer.Argument(help="Installed model folder.")],
    choose: Annotated[
        bool, typer.Option(help="Then time float32 and int8 here and record the faster as `precision`.")
    ] = False,
) -> None:
    """Rewrite the graphs for this version of ONNX Runtime, so that workers start faster."""
    _optimise(folder, choose=choose)


def _optimise(folder: Path, *, choose: bool) -> None:
    from modelkit.graphs.optimisation import choose_precision
    from modelkit.graphs.optimisation import optimise as run

    for made in run(folder):
        console.print(
            f"{made.precision}: {1000 * made.cpu_before:.0f} ms of CPU for 4 s of audio before, "
            f"{1000 * made.cpu_after:.0f} ms after; {made.attentions} attentions fused; "
            f"log-probabilities differ by {made.difference:.1e} at most",
            soft_wrap=True,
        )
    if choose:
        console.print(f"precision: {choose_precision(folder)}")


@app.command()
def install(
    source: Annotated[Path, typer.Argument(help="Folder to install.")],
    models: Annotated[Path, typer.Option(help="Folder of the installed models.")] = Path("models"),
    name: Annotated[
        str | None, typer.Option(help="Name of the installed model. Default: the folder's name.")
    ] = None,
    samples: Samples = SAMPLES,
    optimise: Annotated[
        bool, typer.Option(help="Then optimise its graphs, as `modelkit optimise` does.")
    ] = True,
    choose: Annotated[
        bool, typer.Option(help="Then time float32 and int8 here and record the faster as `precision`.")
    ] = False,
) -> None:
    """Verify a model folder, copy it into the models folder atomically and optimise its graphs."""
    if not _passes(source, samples):
        console.print("Not installed.")
        raise typer.Exit(1)
    target = models / (name or str(read_description(source)["name"]))
    if target.resolve() == source.resolve():
        console.print("The model is already installed.")
        return
    copy_folder(source, target)
    if name is not None:
        write_description(target, {**read_description(target), "name": name})
    console.print(f"Installed: {target}")
    if optimise:
        _optimise(target, choose=choose)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Model folder of the family ctc.")],
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    layout: Annotated[Layout, typer.Option(help="Whose layout to write.")],
) -> None:
    """Write the graphs and tokens of a model as onnx-asr or sherpa-onnx read them. They decode greedily."""
    EXPORTS[layout](ModelFolder.load(folder), out)
    console.print(f"Written: {out}", highlight=False)


for command in COMMANDS:
    app.command()(command)
app.add_typer(models_app, name="models")


def main() -> None:
    """Run the command line. What went wrong gives a message and an exit status, no traceback: 1 for a coded
    error of modelkit, 2 for a SpeechError, a bad file or a missing package."""
    try:
        app(prog_name=os.environ.get(PROGRAM))
    except ModelkitError as error:
        errors.print(f"{error.code}: {error.message}", markup=False, highlight=False, soft_wrap=True)
        raise SystemExit(1) from None
    except SpeechError as error:
        errors.print(f"{error.message} {' '.join(getattr(error, '__notes__', []))}", markup=False)
        raise SystemExit(2) from None
    except (ImportError, OSError, ValueError) as error:
        errors.print(str(error), markup=False)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
