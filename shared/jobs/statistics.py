"""Counts and sums over the jobs, for metrics, admission, admin and doctor."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, TextClause, func, select
from sqlalchemy.orm import Session

from shared.errors import ATTEMPTS_EXHAUSTED
from shared.jobs.lifecycle import Event
from shared.jobs.selection import Selection
from shared.jobs.tables import QUEUED, RUNNING, Job, JobEvent, JobStatus

# How many events :func:`was_claimed_since` looks at: there is no index on their time.
LATEST_EVENTS = 1000


class Due(NamedTuple):
    """Queued jobs that a worker may claim: how many, and since when the oldest waits (None without any)."""

    jobs: int
    oldest: datetime | None


class GivenUp(NamedTuple):
    """Jobs that failed after their last attempt: how many, and the error message of the latest."""

    jobs: int
    last_message: str | None


class StatusSize(NamedTuple):
    """Jobs in one state, and the bytes of their recordings as uploaded."""

    status: JobStatus
    jobs: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Figures of all jobs.

    Attributes:
        by_status: jobs in each state that occurs.
        failed_by_code: failed jobs by error code, most frequent first.
        file_bytes: of all recordings as uploaded, whether or not they are still stored.
        audio_seconds: of the jobs that succeeded.
        lately_succeeded: jobs that succeeded since the moment asked for.
        lately_audio_seconds: of those.
    """

    by_status: dict[JobStatus, int]
    failed_by_code: dict[str, int]
    file_bytes: int
    audio_seconds: float
    lately_succeeded: int
    lately_audio_seconds: float


def queue_length(session: Session) -> int:
    """Number of queued jobs."""
    return _count(session, QUEUED)


def count_running(session: Session) -> int:
    """Number of running jobs."""
    return _count(session, RUNNING)


def count_jobs(session: Session, selection: Selection) -> int:
    """Number of selected jobs."""
    return _count(session, *selection.conditions())


def count_finished(session: Session, since: datetime) -> int:
    """Number of jobs that have ended since that moment, one way or another."""
    return _count(session, Job.finished_at >= since)


def count_expired(session: Session, before: datetime) -> int:
    """Number of running jobs whose lease had run out by that moment."""
    return _count(session, RUNNING, Job.lease_expires_at <= before)


def count_due(session: Session, moment: datetime) -> Due:
    """The queued jobs that are due at that moment."""
    due = select(func.count(), func.min(Job.available_at)).where(QUEUED, Job.available_at <= moment)
    return Due(*session.execute(due).one())


def was_claimed_since(session: Session, moment: datetime) -> bool:
    """Whether a job was claimed since then, as far as the latest events tell."""
    latest = select(JobEvent.event, JobEvent.at).order_by(JobEvent.id.desc()).limit(LATEST_EVENTS).subquery()
    claimed = select(latest.c.at).where(latest.c.event == Event.CLAIMED.value, latest.c.at >= moment).limit(1)
    return session.scalar(claimed) is not None


def given_up(session: Session, since: datetime) -> GivenUp:
    """The jobs that failed with ``attempts_exhausted`` since that moment."""
    conditions = (
        Job.finished_at >= since,
        Job.status == JobStatus.FAILED,
        Job.error_code == ATTEMPTS_EXHAUSTED,
    )
    last = select(Job.error_message).where(*conditions).order_by(Job.finished_at.desc()).limit(1)
    return GivenUp(_count(session, *conditions), session.scalar(last))


def queued_models(session: Session) -> dict[str, int]:
    """Number of queued jobs by the model that they ask for."""
    counts = select(Job.model, func.count()).where(QUEUED).group_by(Job.model)
    return dict(session.execute(counts).tuples().all())


def sizes_by_status(session: Session, selection: Selection) -> Sequence[StatusSize]:
    """Number and bytes of the selected jobs, for each state that occurs."""
    sizes = select(Job.status, func.count(), func.coalesce(func.sum(Job.file_bytes), 0))
    grouped = sizes.where(*selection.conditions()).group_by(Job.status).order_by(Job.status)
    return [StatusSize(status, jobs, int(size)) for status, jobs, size in session.execute(grouped)]


def totals(session: Session, lately: datetime) -> Totals:
    """Figures of all jobs, and of those that succeeded since ``lately``."""
    succeeded = Job.status == JobStatus.SUCCEEDED
    audio = func.coalesce(func.sum(Job.audio_seconds), 0.0)
    by_status = session.execute(select(Job.status, func.count()).group_by(Job.status))
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
        by_status=dict(by_status.tuples().all()),
        failed_by_code={str(code): number for code, number in by_code},
        file_bytes=int(session.scalar(select(func.coalesce(func.sum(Job.file_bytes), 0))) or 0),
        audio_seconds=session.scalar(select(audio).where(succeeded)) or 0.0,
        lately_succeeded=count,
        lately_audio_seconds=seconds or 0.0,
    )


def _count(session: Session, *conditions: ColumnElement[bool] | TextClause) -> int:
    return session.scalar(select(func.count()).select_from(Job).where(*conditions)) or 0
