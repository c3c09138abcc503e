"""The picture of the record: how long jobs wait, measured and simulated."""

from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.capacity.record import Record

SIZE = (10.0, 3.6)


def draw(record: Record, path: Path) -> None:
    """Draw the distribution of waits for each number of processes as SVG."""
    # With the salt and without a date, the same figures give the same file.
    with rc_context({"svg.hashsalt": "capacity", "svg.fonttype": "none"}):
        figure = Figure(figsize=SIZE, layout="constrained")
        parts = figure.subplots(1, len(record.rounds), sharey=True, squeeze=False)[0]
        for part, one in zip(parts, record.rounds, strict=True):
            _curve(part, one.over_time.measured_waits, "measured", "black")
            _curve(part, one.over_time.simulated_waits, "simulated", "tab:orange")
            processes = "1 process" if one.processes == 1 else f"{one.processes} processes"
            part.set_title(f"{processes}, {one.rate:.1f} jobs a second")
            part.set_xlabel("wait in the queue, s")
            part.set_xlim(left=0)
            part.grid(alpha=0.3)
        parts[0].set_ylabel("part of the jobs that wait no longer")
        parts[-1].legend(loc="lower right")
        figure.savefig(path, format="svg", metadata={"Date": None})


def _curve(part: Axes, waits: list[float], name: str, colour: str) -> None:
    part.plot(waits, np.linspace(0, 1, len(waits)), label=name, color=colour, linewidth=1.5)
