"""Queries for batches and their progress."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, literal_column, select, tuple_, update
from sqlalchemy.orm import Session

from shared.clock import now
from shared.errors import BatchNotFound
from shared.jobs.cursors import decode_cursor, encode_cursor
from shared.jobs.tables import RUNNING, Batch, Job, JobStatus


@dataclass(frozen=True, slots=True)
class BatchPage:
    """A page of batches, newest first, and the cursor of the next page (None at the end)."""

    batches: Sequence[Batch]
    next_cursor: str | None


@dataclass(slots=True)
class BatchProgress:
    """How far a batch is. Sizes are those of the recordings as uploaded, in bytes.

    Attributes:
        jobs: number of jobs in each state. Erased jobs are in none.
        sizes: bytes of the jobs in each state.
        running_done: bytes of the running jobs that are done, by their progress.
        started_at: when the first job was started; None before that.
        last_end: when the last job ended; None while there are unfinished jobs.
        at: when this was read.
    """

    jobs: dict[JobStatus, int] = field(default_factory=lambda: dict.fromkeys(JobStatus, 0))
    sizes: dict[JobStatus, int] = field(default_factory=lambda: dict.fromkeys(JobStatus, 0))
    running_done: float = 0.0
    started_at: datetime | None = None
    last_end: datetime | None = None
    at: datetime = field(default_factory=now)

    @property
    def unfinished(self) -> int:
        """Number of jobs that have not ended."""
        return self.jobs[JobStatus.QUEUED] + self.jobs[JobStatus.RUNNING]

    @property
    def fraction(self) -> float:
        """What part of the bytes is done, 0 to 1. An ended job is done, however it ended."""
        if not self.unfinished:
            return 1.0
        total = sum(self.sizes.values())
        return (total - self._bytes_left) / total if total else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimate when the batch ends, from the bytes that it has transcribed per second since its start.

        None if it has ended or nothing is transcribed yet. Failed and cancelled jobs do not count as
        transcribed: they end sooner than their size tells.
        """
        transcribed = self.sizes[JobStatus.SUCCEEDED] + self.running_done
        if not self.unfinished or not transcribed or self.started_at is None:
            return None
        return max(0.0, (self.at - self.started_at).total_seconds()) * self._bytes_left / transcribed

    @property
    def _bytes_left(self) -> float:
        return self.sizes[JobStatus.QUEUED] + self.sizes[JobStatus.RUNNING] - self.running_done


def get_batch(session: Session, batch_id: uuid.UUID, tenant: str | None = None) -> Batch:
    """Return the batch with this id.

    Args:
        tenant: whose batch it must be; None for anybody's.

    Raises:
        BatchNotFound: no batch has this id, or another tenant's: it is not told which.
    """
    batch = session.get(Batch, batch_id, populate_existing=True)
    if batch is None or tenant not in (None, batch.tenant):
        raise BatchNotFound("No batch has this id, or it was erased.")
    return batch


def find_batch(session: Session, batch_id: uuid.UUID) -> Batch | None:
    """Return the batch with this id, or None."""
    return session.get(Batch, batch_id)


def batch_with_key(session: Session, tenant: str, key: str) -> Batch | None:
    """Return the batch that the tenant submitted with this idempotency key, or None."""
    return session.scalar(select(Batch).where(Batch.tenant == tenant, Batch.idempotency_key == key))


def page_of_batches(
    session: Session, tenant: str | None, *, limit: int, cursor: str | None = None
) -> BatchPage:
    """Return at most ``limit`` batches, newest first, beginning after ``cursor``.

    Args:
        tenant: whose batches; None for everybody's.

    Raises:
        InvalidRequest: the cursor is malformed.
    """
    query = select(Batch)
    if tenant is not None:
        query = query.where(Batch.tenant == tenant)
        if tenant:  # lets the query use the index of tenants
            query = query.where(Batch.tenant != literal_column("''"))
    if cursor is not None:
        query = query.where(tuple_(Batch.created_at, Batch.id) < tuple_(*decode_cursor(cursor)))
    newest = query.order_by(Batch.created_at.desc(), Batch.id.desc()).limit(limit + 1)
    batches = session.scalars(newest).all()
    if len(batches) <= limit:
        return BatchPage(batches, None)
    return BatchPage(batches[:limit], encode_cursor(batches[limit - 1]))


def progress_of(session: Session, *batch_ids: uuid.UUID) -> dict[uuid.UUID, BatchProgress]:
    """Return the progress of batches, by id."""
    found = {batch_id: BatchProgress() for batch_id in batch_ids}
    of_batches = Job.batch_id.in_(batch_ids)
    counts = select(
        Job.batch_id,
        Job.status,
        func.count(),
        func.coalesce(func.sum(Job.file_bytes), 0),
        func.min(Job.started_at),
    )
    grouped = counts.where(of_batches).group_by(Job.batch_id, Job.status)
    for batch_id, status, jobs, size, started_at in session.execute(grouped):
        assert batch_id is not None
        one = found[batch_id]
        one.jobs[status], one.sizes[status] = jobs, int(size)
        if started_at is not None and (one.started_at is None or started_at < one.started_at):
            one.started_at = started_at
    done = select(Job.batch_id, func.sum(Job.file_bytes * Job.progress)).where(of_batches, RUNNING)
    for batch_id, size in session.execute(done.group_by(Job.batch_id)):
        assert batch_id is not None
        found[batch_id].running_done = float(size)
    ended = [batch_id for batch_id, one in found.items() if not one.unfinished]
    ends = select(Job.batch_id, func.max(Job.finished_at)).where(Job.batch_id.in_(ended))
    for batch_id, last_end in session.execute(ends.group_by(Job.batch_id)) if ended else ():
        assert batch_id is not None
        found[batch_id].last_end = last_end
    return found


def jobs_of_batch(
    session: Session, batch_id: uuid.UUID, *, limit: int, after: Job | None = None
) -> Sequence[Job]:
    """Return at most ``limit`` jobs of a batch in the order of submission, those after ``after``."""
    query = select(Job).where(Job.batch_id == batch_id)
    if after is not None:
        query = query.where(tuple_(Job.created_at, Job.id) > tuple_(after.created_at, after.id))
    return session.scalars(query.order_by(Job.created_at, Job.id).limit(limit)).all()


def reopen_batch(session: Session, batch_id: uuid.UUID) -> None:
    """Mark a batch unfinished, because one of its jobs is about to be queued again.

    Locks the batch, so that :func:`shared.jobs.batches.settle_batches` waits for the end of the transaction.
    """
    again = update(Batch).where(Batch.id == batch_id).values(finished_at=None)
    session.execute(again.execution_options(synchronize_session=False))
