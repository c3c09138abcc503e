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
    list[Path] | None, typer.Option(help="Manifest to measure on meanwhile; by default the recipe's.")
]
Updates = Annotated[int, typer.Option(min=1, help="The learning rate reaches zero here.")]
Minutes = Annotated[float | None, typer.Option(help="Or here, by the clock, if that is sooner.")]
BatchSeconds = Annotated[float, typer.Option(help="Audio of one update, padding included.")]
HeadRate = Annotated[float, typer.Option(help="Highest learning rate of everything but the encoder.")]
Dropout = Annotated[float, typer.Option(min=0, max=0.9, help="It costs a third of a CPU's time.")]
Threads = Annotated[int, typer.Option(min=1, help="Threads of the CPU's arithmetic.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, or auto: a GPU when torch sees one.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Begin again although the run has a checkpoint.")]


@app.command()
def train(
    work: Work = WORK,
    speech_dir: SpeechDir = SPEECH,
    start: Annotated[
        Path | None,
        typer.Option(help="Checkpoint, run's folder or model folder; by default Whisper's encoder."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; by default WORK/train.")] = None,
    dev: Dev = None,
    freeze_encoder: Annotated[bool, typer.Option(help="Train the heads only.")] = TRAIN.freeze_encoder,
    updates: Updates = TRAIN.updates,
    minutes: Minutes = TRAIN.minutes,
    encoder_rate: Annotated[
        float, typer.Option(help="Highest learning rate of the encoder's last layer.")
    ] = TRAIN.encoder_rate,
    rate_decay: Annotated[
        float, typer.Option(help="Factor of the rate from a layer to the one before it.")
    ] = TRAIN.rate_decay,
    head_rate: HeadRate = TRAIN.head_rate,
    batch_seconds: BatchSeconds = TRAIN.batch_seconds,
    dropout: Dropout = TRAIN.dropout,
    threads: Threads = TRAIN.threads,
    device: Device = TRAIN.device,
    seed: Seed = TRAIN.seed,
    fresh: Fresh = False,
) -> None:
    """Train all weights. Ctrl-C or SIGTERM keeps a checkpoint; the same command goes on from it."""
    settings = replace(
        TRAIN, freeze_encoder=freeze_encoder, updates=updates, minutes=minutes, encoder_rate=encoder_rate,
        rate_decay=rate_decay, head_rate=head_rate, batch_seconds=batch_seconds, dropout=dropout,
        threads=threads, device=device, seed=seed,
    )  # fmt: skip
    steps.run(out or work / "train", work, speech_dir, start, settings, dev, fresh)


@app.command()
def refit(
    start: Annotated[Path, typer.Option(help="Checkpoint, run's folder or model folder to begin from.")],
    work: Work = WORK,
    speech_dir: SpeechDir = SPEECH,
    out: Annotated[Path | None, typer.Option(help="The run's folder; by default WORK/refit.")] = None,
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
    """Train the heads on a frozen encoder. Ctrl-C or SIGTERM keeps a checkpoint to go on from."""
    settings = replace(
        REFIT, updates=updates, minutes=minutes, head_rate=head_rate, batch_seconds=batch_seconds,
        dropout=dropout, threads=threads, device=device, seed=seed,
    )  # fmt: skip
    steps.run(out or work / "refit", work, speech_dir, start, settings, dev, fresh)


@app.command()
def blend(
    share: Annotated[
        float, typer.Option(min=0, max=1, help="How far the encoder goes back to Whisper's weights.")
    ],
    out: Annotated[Path, typer.Option(help="File to write, such as WORK/blend.pt.")],
    start: Annotated[
        Path | None, typer.Option(help="Trained weights; by default the run in WORK/train.")
    ] = None,
    heads: Annotated[
        Path | None, typer.Option(help="Take all but the encoder from here; by default from --start.")
    ] = None,
    whisper: Annotated[
        Path | None, typer.Option(help="Whisper's weights; by default those of `fetch`.")
    ] = None,
    work: Work = WORK,
) -> None:
    """Move the encoder back towards Whisper's weights: it then hears new voices better. `refit` follows."""
    steps.blend(start or work / "train", whisper or WHISPER.path(work / PACKAGES), share, heads, out)
    console.print(f"Weights: {out}")


@app.command()
def mean(
    of: Annotated[list[Path], typer.Option(help="Checkpoint, run's folder or model folder. Repeatable.")],
    out: Annotated[Path, typer.Option(help="File to write, such as WORK/mean.pt.")],
    share: Annotated[
        list[float] | None, typer.Option(help="Share of each --of, in their order; by default equal.")
    ] = None,
) -> None:
    """Average the weights of networks of one shape that began alike."""
    if share and len(share) != len(of):
        raise typer.BadParameter(f"{len(of)} times --of need as many times --share.")
    steps.mean(of, out, share)
    console.print(f"Weights: {out}")
