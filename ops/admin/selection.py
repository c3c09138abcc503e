"""The command-line options that select jobs, for all commands."""

import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from shared.jobs import JobStatus, Selection

UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
AGE = re.compile(r"(\d+(?:\.\d+)?) ?(s|m|min|h|d|w)")
FINAL = [status for status in JobStatus if status.is_final]


def status_option(statuses: Sequence[JobStatus], help: str, show_default: str) -> Any:  # noqa: A002 - Typer's word
    """Make a ``--status`` option that takes only these statuses."""
    names = "|".join(statuses)

    def parse(text: str) -> JobStatus:
        if text not in statuses:
            raise typer.BadParameter(f"{text!r} is not one of {names}.")
        return JobStatus(text)

    return typer.Option(parser=parse, metavar=f"[{names}]", help=help, show_default=show_default)


def age(text: str) -> timedelta:
    """Parse an age such as ``7d``, ``12h``, ``90min``, ``30s`` or ``2w``."""
    if isinstance(text, timedelta):  # Typer also passes values that are already parsed
        return text
    found = AGE.fullmatch(text.strip().lower())
    if found is None:
        raise typer.BadParameter(f"{text!r} is not an age: write 30s, 90min, 12h, 7d or 2w.")
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
        help="Jobs that ended (or, if unfinished, were submitted) at least this long ago: 30s, 90min, 12h, "
        "7d, 2w.",
        show_default=False,
    ),
]
Client = Annotated[
    str | None,
    typer.Option("--client", metavar="NAME", help="Jobs of this client.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def selected(
    statuses: Sequence[str],
    codes: Sequence[str] | None,
    older_than: timedelta | None,
    client: str | None,
    moment: datetime,
) -> Selection:
    """Return a selection of the jobs that match all given options, with ages relative to ``moment``."""
    return Selection(
        statuses=[JobStatus(status) for status in statuses],
        codes=codes or (),
        client=client,
        before=None if older_than is None else _before(moment, older_than),
    )


def parsed(job_id: str) -> uuid.UUID:
    """Parse a job id.

    Raises:
        typer.BadParameter: the text is not a UUID.
    """
    try:
        return uuid.UUID(job_id)
    except ValueError as error:
        raise typer.BadParameter(
            f"{job_id!r} is not a job id. `admin list` lists jobs with their ids."
        ) from error


def _before(moment: datetime, age: timedelta) -> datetime:
    try:
        return moment - age
    except OverflowError:  # before the year 1
        return datetime.min.replace(tzinfo=UTC)
