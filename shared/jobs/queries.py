"""Queries for jobs, their position in the queue, and their results."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Integer, ScalarSelect, bindparam, case, func, select, tuple_
from sqlalchemy.orm import Session

from shared.database import Database
from shared.database_clock import database_now
from shared.draining import NOT_DRAINING
from shared.errors import JobNotFound
from shared.jobs.cursors import decode_cursor, encode_cursor
from shared.jobs.idempotency import is_same_request
from shared.jobs.selection import Selection
from shared.jobs.tables import (
    QUEUED,
    RUNNING,
    Job,
    JobEvent,
    JobStatus,
    SegmentRow,
    SpectrogramRow,
    WaveformRow,
)
from shared.jobs.turns import ORDER
from shared.orm import detached

# Positions in the queue are counted up to this, so that a count takes about 1 ms however long the queue is.
FARTHEST_PLACE = 10_000


@dataclass(frozen=True, slots=True)
class Page:
    """A page of jobs, newest first, and the cursor of the next page (None at the end)."""

    jobs: Sequence[Job]
    next_cursor: str | None


class JobInQueue(NamedTuple):
    """A job, and how many are before it in the queue, up to FARTHEST_PLACE; None if it is not queued."""

    job: Job
    position: int | None


def read_job(database: Database, job_id: uuid.UUID, tenant: str | None = None) -> JobInQueue:
    """Return the job with this id and its position in one cheap query. Raises as :func:`get_job`."""
    for *columns, position in database.rows(_JOB_IN_QUEUE, {"job_id": job_id}):
        job = detached(Job, columns)
        if tenant in (None, job.tenant):
            return JobInQueue(job, position)
    raise _not_found()


def get_job(session: Session, job_id: uuid.UUID, tenant: str | None = None) -> Job:
    """Return the job with this id.

    Args:
        tenant: whose job it must be; None for anybody's.

    Raises:
        JobNotFound: no job has this id, or another tenant's: it is not told which.
    """
    job = session.get(Job, job_id, populate_existing=True)
    if job is None or tenant not in (None, job.tenant):
        raise _not_found()
    return job


def find_job(session: Session, job_id: uuid.UUID) -> Job | None:
    """Return the job with this id, or None."""
    return session.get(Job, job_id)


def holder_of(session: Session, tenant: str, key: str) -> Job | None:
    """Return the job that the tenant submitted with this idempotency key, or None."""
    return session.scalar(select(Job).where(Job.tenant == tenant, Job.idempotency_key == key))


def twin_of(session: Session, job: Job, since: datetime) -> Job | None:
    """Return the newest job that requests the same as ``job`` and may still give its result, or None.

    It is of the same tenant and client, was submitted at ``since`` or later and has neither failed nor been
    cancelled.
    """
    alike = select(Job).where(
        Job.created_at >= since,
        Job.tenant == job.tenant,
        Job.file_sha256 == job.file_sha256,
        Job.client == job.client,
        Job.status.not_in((JobStatus.FAILED, JobStatus.CANCELLED)),
    )
    newest_first = session.scalars(alike.order_by(Job.created_at.desc(), Job.id.desc()))
    return next((one for one in newest_first if is_same_request(one, job)), None)


def jobs_held_by(session: Session, owner: str) -> list[Job]:
    """Return the running jobs whose leases this worker holds, in queue order."""
    return list(session.scalars(select(Job).where(RUNNING, Job.lease_owner == owner).order_by(*ORDER)))


def running_jobs(session: Session) -> Sequence[Job]:
    """Return all running jobs in queue order: the first one of a worker is the one that it works on."""
    return session.scalars(select(Job).where(RUNNING).order_by(*ORDER)).all()


def due_jobs(session: Session, at_most: int, models: Sequence[str] = ()) -> Sequence[uuid.UUID]:
    """Return the ids of the queued jobs that a worker may claim now, in queue order. None in a drain.

    Args:
        models: of these models only; empty for any.
    """
    due = select(Job.id).where(QUEUED, Job.available_at <= database_now(), NOT_DRAINING).order_by(*ORDER)
    if models:
        due = due.where(Job.model.in_(models))
    return session.scalars(due.limit(at_most)).all()


def models_in_queue(session: Session) -> Sequence[str]:
    """Return the models of the queued jobs. Takes one look into an index for each, however many jobs wait."""
    return [model for (model,) in session.execute(_MODELS_IN_QUEUE)]


def expired_jobs(session: Session, at_most: int) -> Sequence[uuid.UUID]:
    """Return the ids of running jobs whose lease has run out, in the order in which to take them back."""
    last_first = Job.priority.desc(), Job.turn.desc(), Job.id.desc()
    expired = select(Job.id).where(RUNNING, Job.lease_expires_at <= database_now()).order_by(*last_first)
    return session.scalars(expired.limit(at_most)).all()


def ids_of(session: Session, selection: Selection) -> Sequence[uuid.UUID]:
    """Return the ids of the selected jobs, in the order of submission."""
    chosen = select(Job.id).where(*selection.conditions())
    return session.scalars(chosen.order_by(Job.created_at, Job.id)).all()


def page_of_jobs(session: Session, selection: Selection, *, limit: int, cursor: str | None = None) -> Page:
    """Return at most ``limit`` of the selected jobs, newest first, beginning after ``cursor``.

    Raises:
        InvalidRequest: the cursor is malformed.
    """
    query = select(Job).where(*selection.conditions())
    if cursor is not None:
        query = query.where(tuple_(Job.created_at, Job.id) < tuple_(*decode_cursor(cursor)))
    jobs = session.scalars(query.order_by(Job.created_at.desc(), Job.id.desc()).limit(limit + 1)).all()
    if len(jobs) <= limit:
        return Page(jobs, None)
    return Page(jobs[:limit], encode_cursor(jobs[limit - 1]))


def queue_position(session: Session, job: Job) -> int | None:
    """Count the jobs before a queued one, up to FARTHEST_PLACE; None if it is not queued."""
    if job.status is not JobStatus.QUEUED:
        return None
    return _position_of(session, job)


def queue_positions(session: Session, jobs: Sequence[Job]) -> dict[uuid.UUID, int]:
    """Return the :func:`queue_position` of each queued job of ``jobs``, by id.

    Only the first and the last job of each client and priority are counted. Positions between them are
    interpolated, because clients that take turns spread evenly.
    """
    turns: dict[tuple[int, str, str], list[Job]] = {}
    for job in sorted(jobs, key=lambda job: (job.priority, job.turn, job.id)):
        if job.status is JobStatus.QUEUED:
            turns.setdefault((job.priority, job.tenant, job.client), []).append(job)
    positions = {}
    for own in turns.values():
        first = _position_of(session, own[0])
        last = _position_of(session, own[-1]) if len(own) > 1 else first
        for index, job in enumerate(own):
            positions[job.id] = first + round((last - first) * index / max(len(own) - 1, 1))
    return positions


def read_segments(database: Database, job_id: uuid.UUID) -> list[SegmentRow]:
    """Return the segments of a job by start, then channel."""
    return [detached(SegmentRow, row) for row in database.rows(_SEGMENTS, {"job_id": job_id})]


def segments_since(session: Session, job_id: uuid.UUID, first: int) -> Sequence[SegmentRow]:
    """Return the segments of a job from position ``first`` on, in the order in which they were saved."""
    saved = select(SegmentRow).where(SegmentRow.job_id == job_id, SegmentRow.position >= first)
    return session.scalars(saved.order_by(SegmentRow.position)).all()


def count_segments(session: Session, job_id: uuid.UUID) -> int:
    """Count the saved segments of a job."""
    return session.scalar(select(func.count()).where(SegmentRow.job_id == job_id)) or 0


def events_of(session: Session, job_id: uuid.UUID) -> Sequence[JobEvent]:
    """Return the audit trail of a job, oldest event first."""
    return session.scalars(select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.id)).all()


def read_waveform_png(database: Database, job_id: uuid.UUID) -> bytes | None:
    """Return the picture of a job's recording as PNG, if it was made."""
    return next((png for (png,) in database.rows(_WAVEFORM_PNG, {"job_id": job_id})), None)


def read_spectrogram_png(database: Database, job_id: uuid.UUID) -> bytes | None:
    """Return the spectrogram of a job's recording as PNG, if it was made."""
    return next((png for (png,) in database.rows(_SPECTROGRAM_PNG, {"job_id": job_id})), None)


def waveform_peaks(session: Session, job_id: uuid.UUID) -> dict[str, object] | None:
    """Return the peaks of a job's recording in audiowaveform's JSON format, if they were made."""
    return session.scalar(select(WaveformRow.peaks).where(WaveformRow.job_id == job_id))


def _not_found() -> JobNotFound:
    return JobNotFound("No job has this id, or it was erased.")


def _position_of(session: Session, job: Job) -> int:
    place = {"priority": job.priority, "turn": job.turn, "id": job.id}
    return session.execute(_POSITION, place).scalar_one()


def _count_before(*place: ColumnElement[Any]) -> ScalarSelect[int]:
    """Select how many queued jobs are before a place: a priority, a turn and an id."""
    ahead = _JOBS.alias()
    before = tuple_(ahead.c.priority, ahead.c.turn, ahead.c.id) < tuple_(*place)
    counted = select(ahead.c.id).where(QUEUED, before).limit(_FARTHEST).correlate(_JOBS).subquery()
    return select(func.count()).select_from(counted).scalar_subquery()


# Made once, because to make a query costs as much as to run it. Of tables: entities would cost more.
_JOBS = Job.__table__
_FARTHEST = bindparam("farthest", type_=Integer, callable_=lambda: FARTHEST_PLACE)
_PLACE = (_JOBS.c.priority, _JOBS.c.turn, _JOBS.c.id)
_POSITION = select(_count_before(*(bindparam(column.name, type_=column.type) for column in _PLACE)))
_JOB_IN_QUEUE = select(_JOBS, case((QUEUED, _count_before(*_PLACE)))).where(_JOBS.c.id == bindparam("job_id"))
# A loose index scan: neither database skips over equal entries by itself.
_first_model = (
    select(func.min(_JOBS.c.model).label("model")).where(QUEUED).cte("models_in_queue", recursive=True)
)
_models = _first_model.union_all(
    select(
        select(func.min(_JOBS.c.model))
        .where(QUEUED, _JOBS.c.model > _first_model.c.model)
        .correlate(_first_model)
        .scalar_subquery()
    ).where(_first_model.c.model.is_not(None))
)
_MODELS_IN_QUEUE = select(_models.c.model).where(_models.c.model.is_not(None))
_SEGMENTS = (
    select(SegmentRow.__table__)
    .where(SegmentRow.__table__.c.job_id == bindparam("job_id"))
    .order_by(*(SegmentRow.__table__.c[name] for name in ("start_seconds", "channel", "position")))
)
_WAVEFORM_PNG = select(WaveformRow.__table__.c.png).where(
    WaveformRow.__table__.c.job_id == bindparam("job_id")
)
_SPECTROGRAM_PNG = select(SpectrogramRow.__table__.c.png).where(
    SpectrogramRow.__table__.c.job_id == bindparam("job_id")
)
