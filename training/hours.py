"""What more hours of real speech are worth: runs that differ in nothing else."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from training import recipe
from training.batches import Symbols, with_real_part
from training.checkpoint import Checkpoint, averaged_network
from training.curve import draw_hours
from training.heldout import HeldOut, measure
from training.loop import train
from training.schedule import Settings
from training.store import Store


def hours_heard(store: Store, part: float, seed: int) -> float:
    """Hours of real speech that a run with this part of it hears, repetitions not counted."""
    real = [
        i for i, c in enumerate(store.clips) if c.split == "train" and c.source not in recipe.SYNTHESISERS
    ]
    kept = with_real_part(store.clips, real, part, seed)
    return sum(store.clips[i].samples for i in kept) / recipe.SAMPLE_RATE / 3600


def learning_curve(
    work: Path,
    settings: Settings,
    parts: Sequence[float],
    held_out: Sequence[HeldOut],
    report: Callable[[int, str], None],
) -> list[dict[str, Any]]:
    """Trains a network on each part of the real clips, for as many updates, and measures it.

    A run has the folder `work`/hours/PART; one that is done is not repeated. Writes hours.tsv and hours.png
    there and returns the rows: part, hours, set, wer, cer.
    """
    store, symbols = Store(work / "store"), Symbols.load(work / "store")
    rows: list[dict[str, Any]] = []
    for part in sorted(parts):
        folder = work / "hours" / f"{part:g}"
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "store").exists():
            (folder / "store").symlink_to((work / "store").resolve())
        report(0, f"{part:g} of the real clips")
        path = train(folder, replace(settings, real_part=part), [], True, None, report)
        network = averaged_network(Checkpoint.load(path))
        for one in held_out:
            found = measure(network, symbols, one).row()
            rows.append({"part": part, "hours": hours_heard(store, part, settings.seed), **found})
            report(settings.updates, str(rows[-1]))
    with (work / "hours" / "hours.tsv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0].keys(), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    draw_hours(rows, work / "hours" / "hours.png")
    return rows
