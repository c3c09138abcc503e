"""A progress bar on the terminal while the words of a recording are printed."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

PATIENCE_SECONDS = 1.5


class Meter:
    """Context manager for one recording: a bar on stderr, if that is a terminal and the recording takes long.

    The bar disappears at the end.
    """

    def __init__(self, name: str, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._began = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            redirect_stdout=False,
        )
        self._task = self._progress.add_task(name, total=1.0)

    def show(self, progress: float) -> None:
        """Move the bar to a fraction of the recording."""
        if not self._progress.live.is_started:
            if not self._console.is_terminal or time.monotonic() - self._began < PATIENCE_SECONDS:
                return
            self._progress.start()
        self._progress.update(self._task, completed=progress)

    def say(self, text: str) -> None:
        """Print a line on stdout; above the bar if stdout is the same terminal."""
        if self._progress.live.is_started and sys.stdout.isatty():
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, flush=True)  # noqa: T201 - the command's output

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress.live.is_started:
            self._progress.stop()
