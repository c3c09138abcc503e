"""Commands that change weights: train, refit, blend, mean."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.commands import PACKAGES, SPEECH, WORK, Seed, SpeechDir, Work, bar, console
from training.schedule import REFIT, TRAIN, Settings

if TYPE_CHECKING:
    from training.checkpoint import Weights
    from training.heldout import HeldOut
    from training.store import Store

app = typer.Typer()

SHAPE: Mapping[str, int] = {}
"""What differs from `NetworkConfig` where Whisper's weights are of another size than base."""

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


def run_trainer(
    folder: Path, store: "Store", start: "Weights", settings: Settings, held_out: "list[HeldOut]", fresh: bool
) -> None:
    """Train in `folder`, from its checkpoint if it has one and not `fresh`; draw the losses."""
    from training.curve import draw
    from training.trainer import HELD_OUT, LOSS, Stopped, Trainer

    with bar() as progress:
        task = progress.add_task("updates", total=settings.updates)

        def report(done: int, line: str) -> None:
            progress.update(task, completed=done)
            progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

        trainer = Trainer(folder, store, start, settings, held_out, report)
        if fresh:
            for name in (LOSS, HELD_OUT):
                (folder / name).unlink(missing_ok=True)
        elif trainer.path.exists():
            trainer.load()
        try:
            trainer.run()
        except Stopped:
            console.print(f"Stopped after {trainer.update} updates; the same command goes on from there.")
            raise typer.Exit(130) from None
    draw(folder / LOSS, folder / HELD_OUT, folder / "loss.png")
    console.print(f"Weights: {trainer.path}. Losses: {folder / LOSS}, {folder / 'loss.png'}.")


def held_out_sets(store: "Store", speech_dir: Path, dev: list[Path] | None) -> "list[HeldOut]":
    """The store's held-out books and the clips of `dev`, by default of the recipe's dev sets."""
    from training.heldout import from_manifest, from_store
    from training.recipe import EXCLUDED_MANIFESTS

    if dev is None:
        dev = [path for name in EXCLUDED_MANIFESTS if (path := speech_dir / name).is_file()]
    found = [from_store(store), *(from_manifest(path.resolve().parent.name, path) for path in dev)]
    return [one for one in found if one.texts]


def network_from_whisper(whisper: Path, store_folder: Path) -> "Weights":
    """Whisper's encoder with fresh heads for the symbols of a store.

    Raises:
        FileNotFoundError: Whisper's weights are not there.
    """
    import torch

    from training.batches import Symbols
    from training.checkpoint import Weights
    from training.network import Network, NetworkConfig
    from training.whisper import load_encoder

    if not whisper.is_file():
        raise FileNotFoundError(f"{whisper} is not there: run `python -m training fetch` first.")
    symbols = Symbols.load(store_folder)
    torch.manual_seed(TRAIN.seed)
    network = Network(NetworkConfig(len(symbols.phones), len(symbols.characters), **SHAPE))
    load_encoder(network.encoder, whisper)
    return Weights(
        network.config, symbols.phones, symbols.characters, network.state_dict(), symbols.hours,
        [{"step": "start", "model": "Whisper base encoder"}],
    )  # fmt: skip


def weights_for(start: Path | None, work: Path) -> "Weights":
    """What a run begins from: `start`, or Whisper's encoder; the hours are those of the store."""
    from training.batches import Symbols
    from training.checkpoint import read_weights
    from training.packages import WHISPER

    if start is None:
        return network_from_whisper(WHISPER.path(work / PACKAGES), work / "store")
    return replace(read_weights(start), hours=Symbols.load(work / "store").hours)


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
    from training.store import Store

    store = Store(work / "store")
    settings = replace(
        TRAIN, freeze_encoder=freeze_encoder, updates=updates, minutes=minutes, encoder_rate=encoder_rate,
        rate_decay=rate_decay, head_rate=head_rate, batch_seconds=batch_seconds, dropout=dropout,
        threads=threads, device=device, seed=seed,
    )  # fmt: skip
    held_out = held_out_sets(store, speech_dir, dev)
    run_trainer(out or work / "train", store, weights_for(start, work), settings, held_out, fresh)


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
    from training.store import Store

    store = Store(work / "store")
    settings = replace(
        REFIT, updates=updates, minutes=minutes, head_rate=head_rate, batch_seconds=batch_seconds,
        dropout=dropout, threads=threads, device=device, seed=seed,
    )  # fmt: skip
    held_out = held_out_sets(store, speech_dir, dev)
    run_trainer(out or work / "refit", store, weights_for(start, work), settings, held_out, fresh)


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
    from training.checkpoint import blended, read_weights
    from training.network import ENCODER, Network
    from training.packages import WHISPER
    from training.whisper import load_encoder

    trained = read_weights(start or work / "train")
    network = Network(trained.config)
    load_encoder(network.encoder, whisper or WHISPER.path(work / PACKAGES))
    before = {name: weight for name, weight in network.state_dict().items() if name.startswith(ENCODER)}
    blended(trained, before, share, read_weights(heads) if heads else None).save(out)
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
    from training.checkpoint import mean as run
    from training.checkpoint import read_weights

    if share and len(share) != len(of):
        raise typer.BadParameter(f"{len(of)} times --of need as many times --share.")
    run([read_weights(path) for path in of], share).save(out)
    console.print(f"Weights: {out}")
