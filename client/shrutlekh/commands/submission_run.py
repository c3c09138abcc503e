"""What ``shrutlekh submit`` does once its options are clear: run recordings, and tell of each."""

import json
import signal
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import typer
from rich.console import Console

from shrutlekh.bulk.display import Bar, Display, Lines, printable
from shrutlekh.bulk.done_folder import DoneFolder
from shrutlekh.bulk.drop_folder import DropFolder
from shrutlekh.bulk.events import Outcome
from shrutlekh.bulk.pipeline import Submission
from shrutlekh.bulk.recordings import Recording
from shrutlekh.bulk.run_options import Options
from shrutlekh.bulk.summary import Summary
from shrutlekh.client import ShrutlekhClient
from shrutlekh.errors import ClientError
from shrutlekh.retries import PATIENT, TIRELESS, Retries

TRANSCRIBED = frozenset({"succeeded", "fetched", "skipped"})


@dataclass(frozen=True)
class Run:
    """Runs recordings through a service and tells of each.

    Attributes:
        url: of the service.
        api_key: to send; None for the environment's.
        options: of the run.
        console: where progress is shown.
        note: called with a line for people.
        as_json: whether to print a line of JSON on stdout for each recording.
    """

    url: str
    api_key: str | None
    options: Options
    console: Console
    note: Callable[[str], None]
    as_json: bool

    def all_of(self, recordings: list[Recording]) -> None:
        """Run these recordings.

        Raises:
            typer.Exit: some failed.
            ClientError: the service is gone or refuses every recording.
            KeyboardInterrupt: after it was told what the next run does.
        """
        total = len(recordings)
        options = replace(self.options, in_flight=min(self.options.in_flight, total))
        summary = Summary(total)
        with self._client(PATIENT) as client:
            submission = Submission(client, recordings, options)
            try:
                self._run(submission, self._display(total), summary, lambda _: None)
            except (KeyboardInterrupt, ClientError) as stop:
                if isinstance(stop, KeyboardInterrupt) or submission.at_service or not summary.is_empty:
                    word = "Interrupted" if isinstance(stop, KeyboardInterrupt) else "Stopped early"
                    force = self.options.force
                    self.note(
                        f"{word}. {summary.line()} {summary.next_run(submission.at_service, force=force)}"
                    )
                raise
            finally:
                for line in summary.details():
                    self.note(line)
        self.note(summary.line())
        if summary.has_failures:
            raise typer.Exit(1)

    def watch(self, folders: list[Path], out: Path | None, done: Path | None, settle: float) -> None:
        """Run the recordings in these folders, and those that arrive, until SIGINT or SIGTERM.

        Args:
            folders: to watch.
            out: where to write; None for beside the recordings.
            done: where finished recordings and their texts go; None to leave them.
            settle: seconds without a change after which a recording is taken.

        Raises:
            ClientError: the service does not answer at the beginning, or refuses every recording.
        """
        drop = DropFolder(folders, done or out, self.note, settle)
        finished = DoneFolder(drop) if done is not None else None
        arriving: Iterable[Recording] = drop if finished is None else finished
        summary = Summary()

        def tell(outcome: Outcome) -> None:
            for line in summary.details():  # at once: the end may be months away
                self.note(line)
            if finished is not None and outcome.status in TRANSCRIBED:
                try:
                    finished.take(outcome.source)
                except OSError as error:
                    self.note(
                        f"{printable(outcome.source)} cannot be moved: {error.strerror or error}. "
                        "Its text is written."
                    )

        def stop(_signal: int, _frame: FrameType | None) -> None:
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGTERM, stop)
        named = ", ".join(printable(str(folder)) for folder in folders)
        try:
            with self._client(TIRELESS) as client:
                submission = Submission(client, arriving, self.options)
                self.note(f"Watching {named}. Press Ctrl-C to stop.")
                try:
                    self._run(submission, self._display(None), summary, tell)
                except KeyboardInterrupt:
                    waiting = submission.at_service
                    later = f" The next run takes up {waiting} at the service." if waiting else ""
                    self.note(f"Stopped. {summary.line()}{later}")
        finally:
            drop.stop()
            signal.signal(signal.SIGTERM, before)

    def _client(self, retries: Retries) -> ShrutlekhClient:
        # One connection for each recording, and one to watch the service.
        connections = self.options.in_flight + 1
        client = ShrutlekhClient(self.url, api_key=self.api_key, retries=retries, connections=connections)
        try:
            client.ready()  # fails at once if no service answers, and before a bar is shown
        except BaseException:
            client.close()
            raise
        return client

    def _display(self, total: int | None) -> Display:
        return (Bar if self.console.is_terminal else Lines)(self.console, total)

    def _run(
        self, submission: Submission, display: Display, summary: Summary, then: Callable[[Outcome], None]
    ) -> None:
        """Run a submission; call ``then`` with each outcome after it was shown and counted."""
        with display, closing(submission.run()) as events:
            for event in events:
                display.show(event)
                if isinstance(event, Outcome):
                    summary.add(event)
                    if self.as_json:
                        print(_json_line(event), flush=True)  # noqa: T201
                    then(event)


def _json_line(outcome: Outcome) -> str:
    record: dict[str, Any] = {
        "path": printable(outcome.source),
        "status": outcome.status,
        "id": outcome.job_id,
        "text": outcome.text,
        "seconds": outcome.seconds,
        "processing_seconds": outcome.processing_seconds,
        "warnings": [warning.model_dump() for warning in outcome.warnings],
        "outputs": {kind: printable(path) for kind, path in outcome.outputs.items()},
        "error": None if outcome.error is None else {"code": outcome.error[0], "message": outcome.error[1]},
    }
    return json.dumps(record, ensure_ascii=False)
