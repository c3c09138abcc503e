"""The progress of a run on the terminal, and its curve, drawn again after each measurement."""

import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from training.run.curve import draw
from training.run.heldout import Found
from training.run.trainer import HELD_OUT, LOSS
from training.run.watching import Pace, Watcher

_LINE_SECONDS = 30.0
"""Time between two lines where the output is not a terminal."""


class Live(Watcher):
    """Context manager: a progress line with loss, learning rate, speed, time left and held-out error rates.

    Where the output is not a terminal, prints a line every `_LINE_SECONDS`.
    """

    def __init__(self, folder: Path, updates: int, console: Console) -> None:
        """
        Args:
            folder: the run's folder, for loss.png.
            updates: number of updates of the whole run.
        """
        self._folder, self._updates, self._console = folder, updates, console
        self._held_out = ""
        self._began, self._first, self._printed = time.monotonic(), -1.0, time.monotonic()
        self._progress = Progress(
            BarColumn(20), TextColumn("{task.description}", markup=False), console=console, transient=True
        )
        self._task = self._progress.add_task("starting", total=1.0)

    def paced(self, pace: Pace) -> None:
        """Show the state after an update."""
        line = f"{self._state(pace)}{self._held_out}"
        self._progress.update(self._task, completed=pace.part, description=line)
        now = time.monotonic()
        if not self._console.is_terminal and (now - self._printed >= _LINE_SECONDS or pace.part >= 1.0):
            self._printed = now
            self._say(line)

    def measured(self, update: int, found: Sequence[Found]) -> None:
        """Print the error rates and draw the curve."""
        for one in found:
            self._held_out = f"  held-out WER {one.wer:.3f} CER {one.cer:.3f}"
            self._say(f"update {update}: {one.name}, greedy: WER {one.wer:.4f} CER {one.cer:.4f}")
        draw(self._folder / LOSS, self._folder / HELD_OUT, self._folder / "loss.png")

    def _state(self, pace: Pace) -> str:
        if self._first < 0:
            self._began, self._first = time.monotonic(), pace.part
        done, elapsed = pace.part - self._first, time.monotonic() - self._began
        left = timedelta(seconds=round(elapsed * (1.0 - pace.part) / done)) if done > 0 else "?"
        return (
            f"update {pace.update}/{self._updates}  loss {pace.loss:.3f}  rate {pace.rate:.1e}  "
            f"{pace.speed:.1f} s of audio/s  left {left}"
        )

    def _say(self, line: str) -> None:
        self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress.live.is_started:
            self._progress.stop()
