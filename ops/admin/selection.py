"""Which jobs a command is about."""

import enum
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
AGE = re.compile(r"(\d+(?:\.\d+)?) ?(s|m|min|h|d|w)")


class FinalName(enum.StrEnum):
    """The states in which nothing more happens by itself."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


def age(text: str) -> timedelta:
    """``7d``, ``12h``, ``90min``, ``30s``, ``2w``."""
    if isinstance(text, timedelta):  # Typer parses what is parsed already
        return text
    found = AGE.fullmatch(text.strip().lower())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no length of time: write 30s, 90min, 12h, 7d or 2w.")
    try:
        return timedelta(seconds=float(found[1]) * UNITS[found[2]])
    except OverflowError as error:
        raise typer.BadParameter(f"{text!r} is too long.") from error


Codes = Annotated[
    list[str] | None,
    typer.Option("--code", metavar="CODE", help="Jobs that failed with this error code.", show_default=False),
]
OlderThan = Annotated[
    timedelta | None,
    typer.Option(
        parser=age,
        metavar="AGE",
        help="Jobs that ended (or, if they have not, were submitted) so long ago: 30s, 90min, 12h, 7d, 2w.",
        show_default=False,
    ),
]
Client = Annotated[
    str | None,
    typer.Option("--client", metavar="NAME", help="Jobs of this client.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]


@dataclass(frozen=True, slots=True)
class Selection:
    """Jobs in one of the states, with one of the codes, of one client, whose last word is old enough."""

    statuses: Sequence[str] = ()
    codes: Sequence[str] = ()
    older_than: timedelta | None = None
    client: str | None = None

    def conditions(self, moment: datetime) -> "list[ColumnElement[bool]]":
        """For a query, with ages as of ``moment``."""
        from sqlalchemy import func

        from shared.jobs.tables import Job, JobStatus

        found: list[ColumnElement[bool]] = []
        if self.statuses:
            found.append(Job.status.in_([JobStatus(status) for status in self.statuses]))
        if self.codes:
            found.append(Job.error_code.in_(self.codes))
        if self.client is not None:
            found.append(Job.client == self.client)
        if self.older_than is not None:
            found.append(func.coalesce(Job.finished_at, Job.created_at) <= _before(moment, self.older_than))
        return found


def parsed(job_id: str) -> uuid.UUID:
    """A job's id.

    Raises:
        typer.BadParameter: it is none.
    """
    try:
        return uuid.UUID(job_id)
    except ValueError as error:
        raise typer.BadParameter(f"{job_id!r} is no job's id.") from error


def _before(moment: datetime, age: timedelta) -> datetime:
    from datetime import UTC

    try:
        return moment - age
    except OverflowError:  # before the year 1
        return datetime.min.replace(tzinfo=UTC)
