"""``shrutlekh train``: fine-tune a model with a user's own recordings, and install it if it is better."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import soundfile
import typer

from speech import SpeechError
from training.adaptation.common_voice import (
    EVALUATION_SPLITS,
    located,
    read_split,
    training_rows,
    write_manifest,
)
from training.adaptation.request import Request, TrainingRefused
from training.commands import SPEECH, SpeechDir, console
from training.commands.adaptation import Adaptation, say

app = typer.Typer()

WORK = Path(".work/train")
CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

EPILOG = """Examples:

shrutlekh train --manifest mine/train.tsv --name mine --dry-run

shrutlekh train --manifest mine/train.tsv --name mine --minutes 60

shrutlekh train --common-voice cv-corpus-22.0-2025-06-20/hi --name cv-hindi --device cuda

Ctrl-C or SIGTERM stops it; the same command goes on from there.

Exit status: 0 success, 1 the trained model is worse, 2 wrong usage or recordings, 130 stopped."""


@app.command(epilog=EPILOG)
def adapt(
    manifest: Annotated[
        list[Path] | None,
        typer.Option(help="TSV of recordings: path, text, speaker. Repeatable.", show_default=False),
    ] = None,
    common_voice: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of Common Voice Hindi.", show_default=False)
    ] = None,
    split: Annotated[str, typer.Option(help="Split of Common Voice to train on.")] = "train",
    name: Annotated[str, typer.Option(help="Name of the new model.")] = "mine",
    model: Annotated[
        str,
        typer.Option(metavar="NAME|FOLDER", envvar="SHRUTLEKH_DEFAULT_MODEL", help="Model to start from."),
    ] = "hi-ctc-base",
    from_scratch: Annotated[
        bool,
        typer.Option(
            "--from-scratch",
            help="Start from Whisper's encoder, with the recipe's corpora in --speech-dir if they exist.",
        ),
    ] = False,
    models: Annotated[
        Path, typer.Option(envvar="SHRUTLEKH_MODELS_DIR", help="Folder of the installed models.")
    ] = Path("models"),
    dev: Annotated[
        list[Path] | None,
        typer.Option(
            help="TSV of recordings to measure on. Repeatable. Default: hold speakers out.",
            show_default=False,
        ),
    ] = None,
    hold_out: Annotated[
        list[str] | None,
        typer.Option(metavar="SPEAKER", help="Speaker to hold out. Repeatable.", show_default=False),
    ] = None,
    dev_minutes: Annotated[
        float, typer.Option(min=0.1, help="Most minutes of held-out audio to measure on.")
    ] = 20.0,
    keep_sentences: Annotated[
        bool,
        typer.Option("--keep-sentences", help="Train on held-out sentences too: for a fixed set of phrases."),
    ] = False,
    work: Annotated[
        Path | None, typer.Option(help="Folder of the run. Default: .work/train/NAME.", show_default=False)
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.05, help="Time limit of the training.", show_default=False)
    ] = None,
    updates: Annotated[
        int | None,
        typer.Option(min=1, help="Number of updates. Default: by amount of audio.", show_default=False),
    ] = None,
    encoder_rate: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Highest learning rate of the encoder; 0 trains the heads only. "
            "Default: 0 for less than an hour of audio, else 1e-4.",
            show_default=False,
        ),
    ] = None,
    head_rate: Annotated[
        float | None, typer.Option(min=0, help="Highest learning rate of the heads.", show_default=False)
    ] = None,
    batch_seconds: Annotated[
        float | None, typer.Option(min=1, help="Seconds of audio per update.", show_default=False)
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto: a GPU if torch finds one.")] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = CPUS,
    processes: Annotated[int, typer.Option(min=1, help="Processes that decode recordings.")] = CPUS,
    speech_dir: SpeechDir = SPEECH,
    licence: Annotated[
        str | None,
        typer.Option(help="Licence of the new weights. Default: the start model's.", show_default=False),
    ] = None,
    install: Annotated[bool, typer.Option(help="Install the model if it is better.")] = True,
    force: Annotated[
        bool, typer.Option("--force", help="Install a worse model, or replace an installed one of that name.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start over in the folder of an earlier run.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
) -> None:
    """Fine-tune a model with your own recordings, measure it, and install it if it is better."""
    if not manifest and common_voice is None:
        raise typer.BadParameter("Give --manifest or --common-voice.")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise typer.BadParameter("must consist of letters, digits, '.', '_' and '-'.", param_hint="--name")
    base = Path(model) if (Path(model) / "model.json").is_file() else models / model
    if not (base / "model.onnx").is_file():
        if not from_scratch:
            raise typer.BadParameter(f"There is no model in {base}.", param_hint="--model")
        base = None  # type: ignore[assignment]
    request = Request(
        name=name,
        work=work or WORK / name,
        manifests=manifest or [],
        common_voice=common_voice,
        common_voice_split=split,
        dev=dev or [],
        hold_out=hold_out or [],
        keep_sentences=keep_sentences,
        dev_minutes=dev_minutes,
        base=base,
        from_scratch=from_scratch,
        frozen=False if from_scratch else None if encoder_rate is None else encoder_rate == 0,
    )
    chosen: dict[str, Any] = {
        "minutes": minutes, "updates": updates, "head_rate": head_rate, "batch_seconds": batch_seconds,
        "encoder_rate": encoder_rate or None, "threads": threads, "device": device,
    }  # fmt: skip
    run = Adaptation(request, chosen, speech_dir, processes)
    try:
        with _stoppable():
            run.plan(fresh=fresh, dry_run=dry_run)
            if dry_run:
                return
            target = models / name
            run.check_target(target, install=install, force=force)
            run.prepare()
            run.train()
            run.export(licence)
            is_better = run.evaluate()
            if not install:
                console.print(f"Not installed (--no-install). The model: {run.made}", soft_wrap=True)
            elif is_better or force:
                run.install(target)
            else:
                say(f"{name} makes more errors than {run.base_name}, so it was not installed: {run.made}")
                say("--force installs it anyway. More recordings or another --encoder-rate may help.")
                raise typer.Exit(1)
    except TrainingRefused as refused:
        _fail(str(refused))
    except SpeechError as error:
        _fail(" ".join([error.message, *getattr(error, "__notes__", [])]))
    except (OSError, ValueError, soundfile.SoundFileError) as error:
        _fail(str(error))


@contextmanager
def _stoppable() -> Iterator[None]:
    """Turn SIGTERM into Ctrl-C, and end with a sentence and status 130 at either."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        say("Stopped. The same command goes on from here.")
        raise typer.Exit(130) from None
    finally:
        signal.signal(signal.SIGTERM, previous)


def _fail(message: str) -> None:
    typer.echo(f"Error: {message}", err=True)
    raise typer.Exit(2)


@app.command()
def manifest(
    common_voice: Annotated[Path, typer.Option(metavar="DIR", help="Folder of Common Voice Hindi.")],
    out: Annotated[Path, typer.Option(help="Manifest to write.")],
    split: Annotated[str, typer.Option(help="train, validated, dev, test, or another TSV there.")] = "train",
) -> None:
    """Write a manifest of a split of Common Voice, without the speakers of its dev and test splits."""
    try:
        folder = located(common_voice)
        rows = read_split(folder, split) if split in EVALUATION_SPLITS else training_rows(folder, split)
        write_manifest(folder, rows, out)
    except (OSError, ValueError) as error:
        _fail(str(error))
    console.print(f"{out}: {len(rows):,} clips", soft_wrap=True)


if __name__ == "__main__":
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(epilog=EPILOG)(adapt)
    alone(prog_name="shrutlekh train")
