"""Commands that change weights: train, refit, blend, mean."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from training.commands import PACKAGES, SPEECH, WORK, Seed, SpeechDir, Work, console, steps
from training.corpora.packages import WHISPER
from training.run.schedule import REFIT, TRAIN

app = typer.Typer()

Dev = Annotated[
    list[Path] | None, typer.Option(help="Manifest to measure on during the run. Default: the recipe's.")
]
Updates = Annotated[
    int, typer.Option(min=1, help="Number of updates, at whose end the learning rate is zero.")
]
Minutes = Annotated[
    float | None, typer.Option(help="Time limit in minutes; the learning rate then reaches zero sooner.")
]
BatchSeconds = Annotated[float, typer.Option(help="Seconds of audio per update, including padding.")]
HeadRate = Annotated[float, typer.Option(help="Highest learning rate of all weights except the encoder's.")]
Dropout = Annotated[
    float, typer.Option(min=0, max=0.9, help="Dropout; on a CPU it takes a third of the time.")
]
Threads = Annotated[int, typer.Option(min=1, help="CPU threads.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto: a GPU if torch finds one.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start over even if the run has a checkpoint.")]


@app.command()
def train(
    work: Work = WORK,
    speech_dir: SpeechDir = SPEECH,
    start: Annotated[
        Path | None,
        typer.Option(help="Checkpoint, run folder or model folder. Default: Whisper's encoder."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder. Default: WORK/train.")] = None,
    dev: Dev = None,
    freeze_encoder: Annotated[bool, typer.Option(help="Train the heads only.")] = TRAIN.freeze_encoder,
    updates: Updates = TRAIN.updates,
    minutes: Minutes = TRAIN.minutes,
    encoder_rate: Annotated[
        float, typer.Option(help="Highest learning rate of the encoder's last layer.")
    ] = TRAIN.encoder_rate,
    rate_decay: Annotated[
        float, typer.Option(help="Factor of the learning rate from a layer to the preceding one.")
    ] = TRAIN.rate_decay,
    head_rate: HeadRate = TRAIN.head_rate,
    batch_seconds: BatchSeconds = TRAIN.batch_seconds,
    dropout: Dropout = TRAIN.dropout,
    threads: Threads = TRAIN.threads,
    device: Device = TRAIN.device,
    seed: Seed = TRAIN.seed,
    fresh: Fresh = False,
) -> None:
    """Train all weights. Ctrl-C or SIGTERM saves a checkpoint, from which the same command resumes."""
    settings = replace(
        TRAIN, freeze_encoder=freeze_encoder, updates=updates, minutes=minutes, encoder_rate=encoder_rate,
        rate_decay=rate_decay, head_rate=head_rate, batch_seconds=batch_seconds, dropout=dropout,
        threads=threads, device=device, seed=seed,
    )  # fmt: skip
    steps.run(out or work / "train", work, speech_dir, start, settings, dev, fresh)


@app.command()
def refit(
    start: Annotated[Path, typer.Option(help="Checkpoint, run folder or model folder to start from.")],
    work: Work = WORK,
    speech_dir: SpeechDir = SPEECH,
    out: Annotated[Path | None, typer.Option(help="The run's folder. Default: WORK/refit.")] = None,
    dev: Dev = None,
    updates: Updates = REFIT.updates,
    minutes: Minutes = REFIT.minutes,
    head_rate: HeadRate = REFIT.head_rate,
    batch_seconds: BatchSeconds = REFIT.batch_seconds,
    dropout: Dropout = REFIT.dropout,
    threads: Threads = REFIT.threads,
    device: Device = REFIT.device,
    seed: Seed = REFIT.seed,
    fresh: Fresh = False,
) -> None:
    """Train the heads on a frozen encoder. Ctrl-C or SIGTERM saves a checkpoint to resume from."""
    settings = replace(
        REFIT, updates=updates, minutes=minutes, head_rate=head_rate, batch_seconds=batch_seconds,
        dropout=dropout, threads=threads, device=device, seed=seed,
    )  # fmt: skip
    steps.run(out or work / "refit", work, speech_dir, start, settings, dev, fresh)


@app.command()
def blend(
    share: Annotated[
        float, typer.Option(min=0, max=1, help="How far to move the encoder back to Whisper's weights.")
    ],
    out: Annotated[Path, typer.Option(help="File to write, such as WORK/blend.pt.")],
    start: Annotated[
        Path | None, typer.Option(help="Trained weights. Default: the run in WORK/train.")
    ] = None,
    heads: Annotated[Path | None, typer.Option(help="Source of all other weights. Default: --start.")] = None,
    whisper: Annotated[
        Path | None, typer.Option(help="Whisper's weights. Default: those of `fetch`.")
    ] = None,
    work: Work = WORK,
) -> None:
    """Move the encoder back towards Whisper's weights, which helps with new voices. Run `refit` next."""
    steps.blend(start or work / "train", whisper or WHISPER.path(work / PACKAGES), share, heads, out)
    console.print(f"Weights: {out}")


@app.command()
def mean(
    of: Annotated[list[Path], typer.Option(help="Checkpoint, run folder or model folder. Repeatable.")],
    out: Annotated[Path, typer.Option(help="File to write, such as WORK/mean.pt.")],
    share: Annotated[
        list[float] | None, typer.Option(help="Share of each --of, in the same order. Default: equal shares.")
    ] = None,
) -> None:
    """Average the weights of networks of the same shape that were trained from the same start."""
    if share and len(share) != len(of):
        raise typer.BadParameter(f"Give --share as often as --of ({len(of)} times).")
    steps.mean(of, out, share)
    console.print(f"Weights: {out}")
