"""The progress of ``shrutlekh submit``: a bar on a terminal, otherwise a line for each recording."""

from collections import Counter
from pathlib import PurePath
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from shrutlekh.bulk.events import Event, Outcome, Renamed, Resumed, Stalled, Uploaded, Waiting

RESUMED = "Workers take jobs again."


class Display(Protocol):
    """Context manager that shows the events of a submission."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, event: Event | Outcome) -> None: ...


class Bar:
    """A progress bar with counts and the remaining time. Failures are printed above it.

    Args:
        total: recordings of the run; None if more may come.
    """

    def __init__(self, console: Console, total: int | None = None) -> None:
        self._uploaded = 0
        self._is_stalled = False
        self._counts: Counter[str] = Counter()
        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task(self._counted(), total=total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    @property
    def description(self) -> str:
        """The text beside the bar, in Rich's markup."""
        return self._progress.tasks[0].description

    def show(self, event: Event | Outcome) -> None:
        """Move the bar."""
        waiting = ""
        match event:
            case Waiting(_, reason, seconds):
                waiting = f"waiting {seconds:.0f} s: {reason}"
            case Stalled(reason):
                self._is_stalled = True
                self._print(f"Waiting: {reason}")
            case Resumed():
                self._is_stalled = False
                self._print(RESUMED)
            case Uploaded():
                self._uploaded += 1
            case Renamed():
                self._print(renaming(event))
            case Outcome():
                self._counts[event.status] += 1
                if event.error is not None:
                    self._print(f"failed {printable(event.source)}", "red")
                self._progress.advance(self._task)
        reason = "waiting for workers" if self._is_stalled else waiting
        said = f"{self._counted()} [yellow]{escape(reason)}[/]" if reason else self._counted()
        self._progress.update(self._task, description=said)

    def _print(self, line: str, style: str | None = None) -> None:
        """Print a line above the bar."""
        self._progress.console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)

    def _counted(self) -> str:
        failed = self._counts["failed"] + self._counts["cancelled"]
        parts = [f"{self._uploaded} uploaded", f"{self._counts['succeeded']} finished"]
        if self._counts["fetched"]:
            parts.append(f"{self._counts['fetched']} fetched")
        if self._counts["skipped"]:
            parts.append(f"{self._counts['skipped']} skipped")
        if failed:
            parts.append(f"[red]{failed} failed[/]")
        return ", ".join(parts)


class Lines:
    """A line for each recording, for logs and pipes. Arguments as for :class:`Bar`."""

    def __init__(self, console: Console, total: int | None = None) -> None:
        self._console = console
        self._total = total
        self._done = 0
        self._waiting: str | None = None
        self._stalled: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, event: Event | Outcome) -> None:
        """Print the line. The reason of a wait is printed once, until a recording is accepted again."""
        match event:
            case Waiting(_, reason):
                if self._waiting is None and reason != self._stalled:
                    self._print(f"Waiting: {reason}")
                self._waiting = reason
            case Uploaded():
                self._waiting = None
            case Stalled(reason):
                if reason != self._waiting:
                    self._print(f"Waiting: {reason}")
                self._stalled = reason
            case Resumed():
                self._stalled = None
                self._print(RESUMED)
            case Renamed():
                self._print(renaming(event))
            case Outcome():
                self._done += 1
                of_all = "" if self._total is None else f"/{self._total}"
                self._print(f"{self._done}{of_all} {event.status} {printable(event.source)}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def renaming(event: Renamed) -> str:
    """Return a sentence about outputs that have a new name."""
    before, after = (printable(PurePath(path).name) for path in (event.before, event.after))
    return f"Renamed the outputs of {printable(event.source)} from {before}.* to {after}.*"


def printable(path: str) -> str:
    """A path as printable text: file names may contain bytes that are not UTF-8."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
