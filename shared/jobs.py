"""Finding and erasing jobs and their results."""

import base64
import binascii
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.orm import Session

from shared.errors import InvalidRequest, JobNotFound
from shared.tables import Job, JobStatus, SegmentRow, WaveformRow


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
    """Number of jobs that come before a queued one; None when it is not queued."""
    if job.status is not JobStatus.QUEUED:
        return None
    before = tuple_(Job.available_at, Job.id) < tuple_(job.available_at, job.id)
    return session.scalar(select(func.count()).where(Job.status == JobStatus.QUEUED, before)) or 0


def segments_of(session: Session, job_id: uuid.UUID) -> Sequence[SegmentRow]:
    """The segments of a job, in the order of the recording."""
    return session.scalars(
        select(SegmentRow).where(SegmentRow.job_id == job_id).order_by(SegmentRow.position)
    ).all()


def waveform_png(session: Session, job_id: uuid.UUID) -> bytes | None:
    """The picture of a job's recording as PNG, if it was made."""
    return session.scalar(select(WaveformRow.png).where(WaveformRow.job_id == job_id))


def waveform_peaks(session: Session, job_id: uuid.UUID) -> dict[str, object] | None:
    """The peaks of a job's recording in audiowaveform's JSON format, if they were made."""
    return session.scalar(select(WaveformRow.peaks).where(WaveformRow.job_id == job_id))


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
