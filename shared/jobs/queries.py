"""Finding and erasing jobs and their results."""

import base64
import binascii
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, TextClause, delete, func, select, tuple_
from sqlalchemy.orm import QueryableAttribute, Session

from shared.database import Database
from shared.errors import InvalidRequest, JobNotFound
from shared.jobs.tables import QUEUED, Job, JobStatus, SegmentRow, WaveformRow
from shared.jobs.turns import ORDER

# Places in the queue are counted so far: a count takes about 1 ms, however many jobs wait.
FARTHEST_PLACE = 10_000


@dataclass(frozen=True, slots=True)
class Page:
    """Some jobs, newest first, and the cursor of the page after them (None at the end)."""

    jobs: Sequence[Job]
    next_cursor: str | None


def get_job(session: Session, job_id: uuid.UUID) -> Job:
    """The job with this id.

    Raises:
        JobNotFound: there is none.
    """
    job = session.get(Job, job_id, populate_existing=True)
    if job is None:
        raise JobNotFound("No job has this id, or it was erased.")
    return job


def page_of_jobs(session: Session, *, status: JobStatus | None, cursor: str | None, limit: int) -> Page:
    """Jobs newest first, ``limit`` at most, after ``cursor``.

    Raises:
        InvalidRequest: the cursor is not one of ours.
    """
    query = select(Job).order_by(Job.created_at.desc(), Job.id.desc()).limit(limit + 1)
    if status is not None:
        query = query.where(Job.status == status)
    if cursor is not None:
        query = query.where(tuple_(Job.created_at, Job.id) < tuple_(*_decode_cursor(cursor)))
    jobs = session.scalars(query).all()
    if len(jobs) <= limit:
        return Page(jobs, None)
    return Page(jobs[:limit], _encode_cursor(jobs[limit - 1]))


def queue_position(session: Session, job: Job) -> int | None:
    """Number of jobs that come before a queued one, FARTHEST_PLACE at most; None when it is not queued."""
    if job.status is not JobStatus.QUEUED:
        return None
    return session.scalar(select(_count_before(job))) or 0


def queue_positions(session: Session, jobs: Sequence[Job]) -> dict[uuid.UUID, int]:
    """:func:`queue_position` of each queued one among ``jobs``.

    Counted for the first and the last of each client and priority. Those between are taken to be evenly
    spread, as clients that take turns are.
    """
    turns: dict[tuple[int, str], list[Job]] = {}
    for job in sorted(jobs, key=lambda job: (job.priority, job.turn, job.id)):
        if job.status is JobStatus.QUEUED:
            turns.setdefault((job.priority, job.client), []).append(job)
    positions = {}
    for own in turns.values():
        if len(own) == 1:
            positions[own[0].id] = queue_position(session, own[0]) or 0
            continue
        first, last = session.execute(select(_count_before(own[0]), _count_before(own[-1]))).one()
        for index, job in enumerate(own):
            positions[job.id] = first + round((last - first) * index / (len(own) - 1))
    return positions


def _count_before(job: Job) -> ScalarSelect[int]:
    before = tuple_(*ORDER) < tuple_(job.priority, job.turn, job.id)
    counted = select(Job.id).where(QUEUED, before).limit(FARTHEST_PLACE).subquery()
    return select(func.count()).select_from(counted).scalar_subquery()


def queue_length(session: Session) -> int:
    """Number of queued jobs."""
    return session.scalar(select(func.count()).select_from(Job).where(QUEUED)) or 0


def count_finished(session: Session, since: datetime) -> int:
    """Number of jobs that have ended since that moment, one way or another."""
    return session.scalar(select(func.count()).select_from(Job).where(Job.finished_at >= since)) or 0


def segments_of(session: Session, job_id: uuid.UUID) -> Sequence[SegmentRow]:
    """The segments of a job by their start, then channel."""
    order = SegmentRow.start_seconds, SegmentRow.channel, SegmentRow.position
    return session.scalars(select(SegmentRow).where(SegmentRow.job_id == job_id).order_by(*order)).all()


def count_segments(session: Session, job_id: uuid.UUID) -> int:
    """Number of segments that are saved of a job."""
    return session.scalar(select(func.count()).where(SegmentRow.job_id == job_id)) or 0


def waveform_png(session: Session, job_id: uuid.UUID) -> bytes | None:
    """The picture of a job's recording as PNG, if it was made."""
    return session.scalar(select(WaveformRow.png).where(WaveformRow.job_id == job_id))


def waveform_peaks(session: Session, job_id: uuid.UUID) -> dict[str, object] | None:
    """The peaks of a job's recording in audiowaveform's JSON format, if they were made."""
    return session.scalar(select(WaveformRow.peaks).where(WaveformRow.job_id == job_id))


def files_of(
    database: Database,
    wanted: ColumnElement[bool] | TextClause,
    order: Sequence[QueryableAttribute[Any]],
    at_once: int,
) -> Iterator[tuple[uuid.UUID, str]]:
    """Ids and file keys of the jobs that ``wanted`` names, in ``order``, ``at_once`` in each transaction.

    ``order`` must tell any two jobs apart. What changes meanwhile may be missed, or seen as it was.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    query = select(Job.id, Job.file_key, *order).where(wanted).order_by(*order).limit(at_once)
    behind = query
    while True:
        with database.read() as session:
            rows = session.execute(behind).all()
        for row in rows:
            yield row[0], row[1]
        if len(rows) < at_once:
            return
        behind = query.where(tuple_(*order) > tuple_(*rows[-1][2:]))


def erase(session: Session, job: Job) -> None:
    """Delete a finished job with its events and results. Its file is the caller's, after the commit."""
    session.execute(delete(Job).where(Job.id == job.id))


def _encode_cursor(job: Job) -> str:
    return base64.urlsafe_b64encode(f"{job.created_at.isoformat()} {job.id}".encode()).decode().rstrip("=")


def _decode_cursor(cursor: str) -> tuple[datetime, uuid.UUID]:
    try:
        plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        moment, _, job_id = plain.partition(" ")
        created_at = datetime.fromisoformat(moment)
        if created_at.tzinfo is None:
            raise ValueError("no zone")
        return created_at.astimezone(UTC), uuid.UUID(job_id)
    except (ValueError, OverflowError, binascii.Error) as error:  # overflow: year 1 east of Greenwich
        raise InvalidRequest("The cursor is not one that this service gave out.") from error
