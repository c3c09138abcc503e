"""``python -m training all``: run every step of the recipe in order."""

from pathlib import Path
from typing import Annotated

import typer
from shrutlekh_contract.model_card import FLOAT32, INT8

from modelkit import read_description, write_description
from modelkit.__main__ import tune
from modelkit.graphs.quantisation import quantise
from training.commands import MODEL, SPEECH, WORK, Processes, SpeechDir, Work, console, require_corpora
from training.commands.data import fetch, prepare, speak
from training.commands.models import evaluate, export, language_model
from training.commands.runs import Device, Threads, blend, mean, refit, train
from training.recipe import BEAM, BLENDS, EVALUATION_SETS, HELD_OUT_BOOKS, PRIORS, THRESHOLD
from training.run.schedule import REFIT, TRAIN

app = typer.Typer()

SAMPLE = Path("samples/namaste.wav")


def refitted(
    work: Path, speech_dir: Path, updates: int, batch_seconds: float, threads: int, device: str
) -> None:
    """For each share of `recipe.BLENDS`, blend the trained encoder and refit the heads; write the mean."""
    runs = []
    for share in BLENDS:
        start, run = work / f"blend-{share}.pt", work / f"refit-{share}"
        if not start.exists():
            blend(share, start, work=work)
        refit(
            start, work=work, speech_dir=speech_dir, out=run, updates=updates, batch_seconds=batch_seconds,
            threads=threads, device=device,
        )  # fmt: skip
        runs.append(run)
    mean(runs, work / "mean.pt")


def tuned(out: Path, speech_dir: Path, lm: Path, trials: int) -> None:
    """Add the 8-bit graph, the language model and the tuned weights of beam search to the model folder.

    Tunes on all evaluation sets together.
    """
    quantise(out)
    write_description(out, {**read_description(out), "precision": INT8})
    tune(
        out, [speech_dir / chosen.manifest for chosen in EVALUATION_SETS],
        speaker=[speaker for chosen in EVALUATION_SETS for speaker in chosen.speakers],
        language_model=lm, priors=speech_dir / PRIORS, without=list(HELD_OUT_BOOKS),
        name=" and ".join(chosen.name for chosen in EVALUATION_SETS), trials=trials,
        beam=BEAM, threshold=THRESHOLD, precision=FLOAT32,
    )  # fmt: skip


@app.command("all")
def everything(
    work: Work = WORK,
    speech_dir: SpeechDir = SPEECH,
    out: Annotated[Path, typer.Option(help="Model folder to write.")] = MODEL,
    hours: Annotated[float, typer.Option(min=0, help="Hours of speech by Kokoro; 0 skips it.")] = 6.0,
    hours_espeak: Annotated[
        float, typer.Option(min=0, help="Approximate hours of speech by espeak-ng.")
    ] = 10.0,
    processes: Processes = 2,
    updates: Annotated[int, typer.Option(min=1, help="Updates of all weights.")] = TRAIN.updates,
    minutes: Annotated[
        float | None, typer.Option(help="Time limit of the training in minutes.")
    ] = TRAIN.minutes,
    batch_seconds: Annotated[
        float, typer.Option(help="Seconds of audio per update of all weights; 160 for a CPU with 16 GB.")
    ] = TRAIN.batch_seconds,
    refit_updates: Annotated[
        int, typer.Option(min=1, help="Updates of the heads after each blend.")
    ] = REFIT.updates,
    refit_batch_seconds: Annotated[
        float, typer.Option(help="Seconds of audio per update of the heads.")
    ] = REFIT.batch_seconds,
    threads: Threads = TRAIN.threads,
    device: Device = TRAIN.device,
    trials: Annotated[int, typer.Option(min=1, help="Number of settings of beam search to try.")] = 100,
    sample: Annotated[Path | None, typer.Option(help="Clip for `modelkit verify`.")] = SAMPLE,
) -> None:
    """Make the default model: data, training, blends, refits, mean, language model, tuning, figures.

    Resumes where it was stopped.
    """
    require_corpora(speech_dir)
    fetch(work)
    spoken = work / "kokoro" / "manifest.tsv"
    if hours > 0:
        speak(work=work, speech_dir=speech_dir, hours=hours, processes=processes)
    prepare(
        work=work, speech_dir=speech_dir, kokoro=[spoken] if spoken.exists() else [],
        hours_espeak=hours_espeak, processes=processes,
    )  # fmt: skip
    train(
        work=work, speech_dir=speech_dir, updates=updates, minutes=minutes, batch_seconds=batch_seconds,
        threads=threads, device=device,
    )  # fmt: skip
    refitted(work, speech_dir, refit_updates, refit_batch_seconds, threads, device)
    export(work=work, out=out)
    if not (work / "lm" / "language-model.json").exists():
        language_model(speech_dir=speech_dir, out=work / "lm")
    tuned(out, speech_dir, work / "lm", trials)
    evaluate(model=out, speech_dir=speech_dir, sample=sample)
    console.print(f"Done: {out}")
