"""Plot the losses and error rates of a run."""

import csv
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def draw(loss: Path, held_out: Path, picture: Path) -> None:
    """Plot phone and spelling loss above, and held-out character error rates below, over updates."""
    figure = Figure(figsize=(8, 7), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    rows = _rows(loss)
    steps = [int(r["update"]) for r in rows]
    for name in ("phone_loss", "spelling_loss"):
        above.plot(steps, [float(r[name]) for r in rows], label=name.replace("_", " "), linewidth=1)
    above.set_ylabel("CTC loss per symbol")
    above.legend()
    measured = _rows(held_out)
    for name in dict.fromkeys(r["set"] for r in measured):
        own = [r for r in measured if r["set"] == name]
        below.plot([int(r["update"]) for r in own], [float(r["cer"]) for r in own], marker=".", label=name)
    below.set_xlabel("updates")
    below.set_ylabel("character error rate, greedy")
    if measured:
        below.legend()
    for axes in (above, below):
        axes.grid(alpha=0.3)
    figure.savefig(picture, dpi=110)
