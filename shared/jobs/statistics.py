"""Counts and sums over the jobs, for metrics, admission, admin and doctor."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, TextClause, func, select
from sqlalchemy.orm import Session

from shared.database_clock import database_now, from_now
from shared.errors import ATTEMPTS_EXHAUSTED
from shared.jobs.lifecycle import Event
from shared.jobs.selection import Selection
from shared.jobs.tables import ENDED, QUEUED, RUNNING, Job, JobEvent, JobStatus

# Number of latest events that :func:`was_claimed_within` reads, because their time has no index.
LATEST_EVENTS = 1000


class Due(NamedTuple):
    """The number of queued jobs that a worker may claim, and how long the oldest has waited (None if 0)."""

    jobs: int
    oldest: timedelta | None


class GivenUp(NamedTuple):
    """The number of jobs that failed after their last attempt, and the error message of the latest."""

    jobs: int
    last_message: str | None


class StatusSize(NamedTuple):
    """The number of jobs in one state, and the bytes of their recordings as uploaded."""

    status: JobStatus
    jobs: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Figures of all jobs.

    Attributes:
        by_status: number of jobs in each state.
        failed_by_code: number of failed jobs by error code, most frequent first.
        file_bytes: bytes of all recordings as uploaded, including those deleted since.
        audio_seconds: length of the recordings of succeeded jobs.
        lately_succeeded: number of jobs that succeeded since ``lately``.
        lately_audio_seconds: length of their recordings.
    """

    by_status: dict[JobStatus, int]
    failed_by_code: dict[str, int]
    file_bytes: int
    audio_seconds: float
    lately_succeeded: int
    lately_audio_seconds: float


def queue_length(session: Session) -> int:
    """Count the queued jobs."""
    return _count(session, QUEUED)


def count_running(session: Session) -> int:
    """Count the running jobs."""
    return _count(session, RUNNING)


def count_jobs(session: Session, selection: Selection) -> int:
    """Count the selected jobs."""
    return _count(session, *selection.conditions())


def counts_by_status(session: Session, selection: Selection | None = None) -> dict[JobStatus, int]:
    """Count the jobs by state, also those states in which there is none.

    Args:
        selection: which jobs; None for all of them, which reads only indexes.
    """
    if selection is not None and selection.conditions():
        counted = select(Job.status, func.count()).where(*selection.conditions()).group_by(Job.status)
        found = {status: jobs for status, jobs in session.execute(counted)}  # noqa: C416
        return dict.fromkeys(JobStatus, 0) | found
    ended = session.execute(select(Job.status, func.count()).where(ENDED).group_by(Job.status))
    unfinished = {JobStatus.QUEUED: queue_length(session), JobStatus.RUNNING: count_running(session)}
    return dict.fromkeys(JobStatus, 0) | unfinished | {status: jobs for status, jobs in ended}  # noqa: C416


def count_finished(session: Session, since: datetime) -> int:
    """Count the jobs that have ended since then, in any final state."""
    return _count(session, Job.finished_at >= since)


def count_expired(session: Session, ago: timedelta) -> int:
    """Count the running jobs whose lease ran out that long ago or longer."""
    return _count(session, RUNNING, Job.lease_expires_at <= from_now(-ago))


def count_due(session: Session) -> Due:
    """Count the queued jobs that are due."""
    due = select(func.count(), func.min(Job.available_at), database_now())
    jobs, oldest, moment = session.execute(due.where(QUEUED, Job.available_at <= database_now())).one()
    return Due(jobs, None if oldest is None else max(moment - oldest, timedelta(0)))


def was_claimed_within(session: Session, length: timedelta) -> bool:
    """Return whether a job was claimed in this time until now, according to the latest events."""
    latest = select(JobEvent.event, JobEvent.at).order_by(JobEvent.id.desc()).limit(LATEST_EVENTS).subquery()
    claimed = (
        select(latest.c.at)
        .where(latest.c.event == Event.CLAIMED.value, latest.c.at >= from_now(-length))
        .limit(1)
    )
    return session.scalar(claimed) is not None


def given_up(session: Session, since: datetime) -> GivenUp:
    """Count the jobs that failed with ``attempts_exhausted`` since then."""
    conditions = (
        Job.finished_at >= since,
        Job.status == JobStatus.FAILED,
        Job.error_code == ATTEMPTS_EXHAUSTED,
    )
    last = select(Job.error_message).where(*conditions).order_by(Job.finished_at.desc()).limit(1)
    return GivenUp(_count(session, *conditions), session.scalar(last))


def queued_models(session: Session) -> dict[str, int]:
    """Count the queued jobs by the model that they request."""
    counts = select(Job.model, func.count()).where(QUEUED).group_by(Job.model)
    return dict(session.execute(counts).tuples().all())


def sizes_by_status(session: Session, selection: Selection) -> Sequence[StatusSize]:
    """Count the selected jobs and sum their bytes, for each state that occurs."""
    sizes = select(Job.status, func.count(), func.coalesce(func.sum(Job.file_bytes), 0))
    grouped = sizes.where(*selection.conditions()).group_by(Job.status).order_by(Job.status)
    return [StatusSize(status, jobs, int(size)) for status, jobs, size in session.execute(grouped)]


def totals(session: Session, lately: datetime) -> Totals:
    """Compute the figures of all jobs, and of those that succeeded since ``lately``."""
    succeeded = Job.status == JobStatus.SUCCEEDED
    audio = func.coalesce(func.sum(Job.audio_seconds), 0.0)
    by_code = session.execute(
        select(Job.error_code, func.count())
        .where(Job.status == JobStatus.FAILED)
        .group_by(Job.error_code)
        .order_by(func.count().desc(), Job.error_code)
    )
    count, seconds = session.execute(
        select(func.count(), audio).where(succeeded, Job.finished_at >= lately)
    ).one()
    return Totals(
        by_status=counts_by_status(session),
        failed_by_code={str(code): number for code, number in by_code},
        file_bytes=int(session.scalar(select(func.coalesce(func.sum(Job.file_bytes), 0))) or 0),
        audio_seconds=session.scalar(select(audio).where(succeeded)) or 0.0,
        lately_succeeded=count,
        lately_audio_seconds=seconds or 0.0,
    )


def _count(session: Session, *conditions: ColumnElement[bool] | TextClause) -> int:
    return session.scalar(select(func.count()).select_from(Job).where(*conditions)) or 0
