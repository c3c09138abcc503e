"""The parts of the commands that need torch: runs, blends, means and exported folders.

Only the seam in `training.commands` imports this module.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
import typer

from modelkit import copy_folder
from modelkit.decoding.tuning import install_language_model
from training.adaptation.live import Live
from training.commands import PACKAGES, bar, console
from training.corpora.packages import WHISPER
from training.corpora.store import Store, Symbols
from training.model.checkpoint import Weights, blended, read_weights
from training.model.checkpoint import mean as mean_of
from training.model.export import write_folder
from training.model.network import ENCODER, Network, NetworkConfig
from training.model.provenance import described
from training.model.whisper import load_encoder
from training.recipe import EXCLUDED_MANIFESTS
from training.run.curve import draw
from training.run.device import chosen_device
from training.run.heldout import HeldOut, from_manifest, from_store
from training.run.schedule import TRAIN, Settings
from training.run.trainer import HELD_OUT, LOSS, Stopped, Trainer

SHAPE: Mapping[str, int] = {}
"""Settings that differ from the defaults of `NetworkConfig`, for a Whisper of another size than base."""


def run(
    folder: Path, work: Path, speech_dir: Path, start: Path | None, settings: Settings,
    dev: list[Path] | None, fresh: bool,
) -> None:  # fmt: skip
    """Train in `folder`, resuming from its checkpoint unless `fresh`, and plot the losses.

    Args:
        start: initial weights. Default: Whisper's encoder.
        dev: manifests to measure on. Default: the recipe's dev sets.
    """
    store = Store(work / "store")
    held_out = held_out_sets(store, speech_dir, dev)
    weights = weights_for(start, work)
    with bar() as progress:
        task = progress.add_task("updates", total=settings.updates)

        def report(done: int, line: str) -> None:
            progress.update(task, completed=done)
            progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

        trainer = Trainer(folder, store, weights, settings, held_out, report)
        if fresh:
            for name in (LOSS, HELD_OUT):
                (folder / name).unlink(missing_ok=True)
        elif trainer.path.exists():
            trainer.load()
        try:
            trainer.run()
        except Stopped:
            console.print(f"Stopped after {trainer.update} updates. The same command resumes from there.")
            raise typer.Exit(130) from None
    draw(folder / LOSS, folder / HELD_OUT, folder / "loss.png")
    console.print(f"Weights: {trainer.path}. Losses: {folder / LOSS}, {folder / 'loss.png'}.")


def held_out_sets(store: Store, speech_dir: Path, dev: list[Path] | None) -> list[HeldOut]:
    """Return the store's held-out books and the clips of `dev` (default: the recipe's dev sets)."""
    if dev is None:
        dev = [path for name in EXCLUDED_MANIFESTS if (path := speech_dir / name).is_file()]
    found = [from_store(store), *(from_manifest(path.resolve().parent.name, path) for path in dev)]
    return [one for one in found if one.texts]


def network_from_whisper(whisper: Path, store_folder: Path) -> Weights:
    """Make a network of Whisper's encoder and untrained heads for the symbols of a store.

    Raises:
        FileNotFoundError: Whisper's weights do not exist.
    """
    if not whisper.is_file():
        raise FileNotFoundError(f"{whisper} does not exist: run `python -m training fetch` first.")
    symbols = Symbols.load(store_folder)
    torch.manual_seed(TRAIN.seed)
    network = Network(NetworkConfig(len(symbols.phones), len(symbols.characters), **SHAPE))
    load_encoder(network.encoder, whisper)
    return Weights(
        network.config, symbols.phones, symbols.characters, network.state_dict(), symbols.hours,
        [{"step": "start", "model": "Whisper base encoder"}],
    )  # fmt: skip


def weights_for(start: Path | None, work: Path) -> Weights:
    """Return the initial weights of a run: `start`, or Whisper's encoder, with the hours of the store."""
    if start is None:
        return network_from_whisper(WHISPER.path(work / PACKAGES), work / "store")
    return replace(read_weights(start), hours=Symbols.load(work / "store").hours)


def blend(trained: Path, whisper: Path, share: float, heads: Path | None, out: Path) -> None:
    """Write `trained` with its encoder moved by `share` towards the weights in `whisper`."""
    weights = read_weights(trained)
    network = Network(weights.config)
    load_encoder(network.encoder, whisper)
    before = {name: weight for name, weight in network.state_dict().items() if name.startswith(ENCODER)}
    blended(weights, before, share, read_weights(heads) if heads else None).save(out)


def mean(of: list[Path], out: Path, shares: list[float] | None) -> None:
    """Write the mean of the weights of several networks."""
    mean_of([read_weights(path) for path in of], shares).save(out)


def export(start: Path, staged: Path, out: Path, entries: Mapping[str, str], command: str) -> None:
    """Write weights as the model folder `out` by way of `staged`. Keeps notes and language model of `out`."""
    weights = read_weights(start)
    write_folder(weights.network(), weights.symbols, staged, {**entries, **described(weights, command)})
    for note in out.glob("*.md"):
        (staged / note.name).write_bytes(note.read_bytes())
    if (out / "lm").is_dir():
        install_language_model(out / "lm", staged)
    copy_folder(staged, out)


def is_gpu(device: str) -> bool:
    """Return whether a run on the device called `device` uses a GPU.

    Raises:
        ValueError: `device` is a GPU and torch finds none.
    """
    return str(chosen_device(device).type) == "cuda"


def adapt(
    folder: Path, work: Path, start: Path | None, packages_work: Path, settings: Settings,
    held_out: tuple[str, Path], shares: Mapping[str, float],
) -> None:  # fmt: skip
    """Train in `folder` on the store in `work`, resuming from its checkpoint, with a live display.

    Measures before the first update too, so that the curve shows where it began.

    Args:
        start: model folder, checkpoint or run. Default: Whisper's encoder.
        packages_work: the work folder that `fetch` downloaded Whisper to.
        held_out: name and manifest of the set to measure on.
    """
    store = Store(work / "store")
    weights = (
        network_from_whisper(WHISPER.path(packages_work / PACKAGES), work / "store")
        if start is None
        else replace(read_weights(start), hours=Symbols.load(work / "store").hours)
    )
    folder.mkdir(parents=True, exist_ok=True)
    with Live(folder, settings.updates, console) as live:
        chosen = [from_manifest(*held_out)]
        trainer = Trainer(folder, store, weights, settings, chosen, shares=shares, watcher=live)
        if trainer.path.exists():
            trainer.load()
        elif start is not None:
            trainer.evaluate()
        try:
            trainer.run()
        except Stopped:
            console.print(f"Stopped after {trainer.update} updates. The same command resumes from there.")
            raise typer.Exit(130) from None


def export_adapted(run: Path, made: Path, entries: Mapping[str, str], command: str) -> None:
    """Write the averaged weights of a run as a model folder without a language model."""
    weights = read_weights(run)
    write_folder(weights.network(), weights.symbols, made, {**entries, **described(weights, command)})
