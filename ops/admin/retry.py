"""``shrutlekh admin retry``."""

import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import typer
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import track
from shrutlekh.commands.options import DataFolder

from ops.admin.opening import opened
from ops.admin.selection import Client, Codes, OlderThan, Yes, parsed, selected, status_option
from ops.installation import Installation
from shared import jobs
from shared.announcements import announce
from shared.clock import now
from shared.errors import IllegalTransition, JobNotFound, RecordingGone

EPILOG = """Examples:

shrutlekh admin retry 01970c4e-...

shrutlekh admin retry --code attempts_exhausted --yes

shrutlekh admin retry --status cancelled --older-than 1h

Exit status: 0, or 1 if a job was refused: its recording is gone, or it is in another state."""


RETRYABLE = [status for status in jobs.JobStatus if status in jobs.TRANSITIONS[jobs.Event.RETRIED].sources]


def retry(
    job_ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Jobs.", show_default=False)
    ] = None,
    status: Annotated[
        jobs.JobStatus | None,
        status_option(RETRYABLE, "All jobs in this state.", "failed, with another filter"),
    ] = None,
    code: Codes = None,
    older_than: OlderThan = None,
    client: Client = None,
    yes: Yes = False,
    data: DataFolder = None,
) -> None:
    """Retry jobs that failed or were cancelled: the given ones, or all that match the filters."""
    is_filtered = status is not None or bool(code) or older_than is not None or client is not None
    if bool(job_ids) == is_filtered:
        raise typer.BadParameter("select jobs by id, or by --status, --code, --older-than, --client.")
    wanted = [parsed(job_id) for job_id in job_ids or ()]
    with opened(data) as installation:
        if is_filtered:
            statuses = (status or jobs.JobStatus.FAILED,)
            wanted = _chosen(installation, selected(statuses, code, older_than, client, now()))
            if not wanted:
                typer.echo("No such job.")
                return
            if not yes and len(wanted) > 1:
                typer.confirm(f"Retry {len(wanted):,} jobs?", abort=True, err=True)
        refused = _retry_all(installation, wanted)
    typer.echo(f"{len(wanted) - sum(refused.values()):,} of {len(wanted):,} queued again.")
    if refused:
        raise typer.Exit(1)


def _chosen(installation: Installation, selection: jobs.Selection) -> list[uuid.UUID]:
    """Return the ids of the selected jobs, in the order of submission."""
    with installation.database.read() as session:
        return list(jobs.ids_of(session, selection))


def _retry_all(installation: Installation, wanted: Sequence[uuid.UUID]) -> Counter[str]:
    """Retry each job in its own transaction; a refusal does not stop the others. Return refusals by code."""
    errors = Console(stderr=True)
    attempts = installation.settings.max_attempts
    refused: Counter[str] = Counter()
    hears = _redis_answers(installation)
    for job_id in track(wanted, "Queueing", console=errors, transient=True, disable=not errors.is_terminal):
        try:
            with installation.database.write() as session:
                job = jobs.retry(session, installation.files, job_id, attempts)
        except (IllegalTransition, JobNotFound, RecordingGone) as error:
            refused[error.code] += 1
            errors.print(f"{job_id}: {error.message} ({error.code})", markup=False, highlight=False)
            continue
        hears = (
            hears
            and installation.queue.ring_for(installation.redis, job.model, [job_id])
            and announce(installation.redis, job_id)
        )
    if not hears:
        errors.print("Redis does not answer: the sweeper will ring for the jobs.", markup=False)
    return refused


def _redis_answers(installation: Installation) -> bool:
    """Return whether Redis answers, to avoid a timeout for each job. The sweeper sends the messages later."""
    try:
        installation.redis.ping()
    except (RedisError, OSError):
        return False
    return True
