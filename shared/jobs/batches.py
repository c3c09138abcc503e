"""The verbs of batches: submit, cancel, erase, and settle those whose jobs have all ended."""

import uuid
from collections.abc import Iterable, Iterator
from itertools import islice

from sqlalchemy import ColumnElement, TextClause, delete, exists, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shared.database import Database
from shared.database_clock import database_now
from shared.errors import IllegalTransition
from shared.files import FileStore
from shared.jobs.batch_queries import get_batch
from shared.jobs.lifecycle import Event, transition_queued
from shared.jobs.selection import Selection
from shared.jobs.tables import QUEUED, RUNNING, UNFINISHED, Batch, Job, JobStatus
from shared.jobs.verbs import erase_finished, submit

# Jobs that are inserted, cancelled or erased at a time, so that memory and transactions stay small.
AT_ONCE = 500
NOT_ENDED = (JobStatus.QUEUED, JobStatus.RUNNING)


def submit_batch(session: Session, batch: Batch, jobs: Iterable[Job]) -> list[uuid.UUID]:
    """Insert a batch and queue its jobs, all in the transaction of ``session``.

    Args:
        session: a writing session; the caller commits.
        batch: the new batch.
        jobs: new jobs, at least one. They get the tenant of the batch.

    Returns:
        The ids of the jobs, in their order.

    Raises:
        IntegrityError: if :func:`is_batch_key_taken`, another batch of the tenant has its idempotency key.
    """
    batch.created_at = session.execute(select(database_now())).scalar_one()
    session.add(batch)
    session.flush()
    ids: list[uuid.UUID] = []
    for chunk in _chunks(jobs):
        for job in chunk:
            job.batch_id, job.tenant = batch.id, batch.tenant
        submit(session, *chunk)
        ids += [job.id for job in chunk]
    return ids


def is_batch_key_taken(error: IntegrityError) -> bool:
    """Return whether the database rejected a batch because its idempotency key is taken."""
    return Batch.idempotency_key.key in str(error.orig)


def cancel_or_erase_batch(
    database: Database, files: FileStore, batch_id: uuid.UUID, tenant: str | None = None
) -> Batch | None:
    """Cancel all jobs of a batch that have not ended. If all have, erase them and the batch.

    Works in several transactions: after a crash in between, repeat the call.

    Args:
        tenant: whose batch it must be; None for anybody's.

    Returns:
        The batch, or None if it was erased.

    Raises:
        BatchNotFound: as :func:`shared.jobs.batch_queries.get_batch`.
        IllegalTransition: a job of the batch was retried while the batch was erased.
    """
    with database.read() as session:
        batch = get_batch(session, batch_id, tenant)
        is_live = select(Batch.id).where(Batch.id == batch_id, _has_jobs(*NOT_ENDED))
        has_ended = session.scalar(is_live) is None
    if not has_ended:
        _cancel(database, batch_id)
        return batch
    while erase_finished(database, files, Selection(batch_id=batch_id), AT_ONCE):
        pass
    with database.write() as session:
        empty = Batch.id == batch_id, ~_has_jobs()
        if session.scalar(delete(Batch).where(*empty).returning(Batch.id)) is None:
            get_batch(session, batch_id, tenant)
            raise IllegalTransition("A job of the batch was just queued again. Look at it again.")
    return None


def has_settled(session: Session) -> bool:
    """Return whether a batch waits for :func:`settle_batches`."""
    return session.scalar(select(Batch.id).where(*_are_done()).limit(1)) is not None


def settle_batches(session: Session, at_most: int) -> list[Batch]:
    """Set ``finished_at`` of batches whose jobs have all ended. Several processes may do so at once.

    Each batch is returned to one caller only, each time that it finishes: a retry of one of its jobs opens it
    again.

    Args:
        session: a writing session; the caller commits.
        at_most: how many batches to settle.

    Returns:
        The batches that have just finished.
    """
    locked = session.scalars(
        select(Batch.id).where(*_are_done()).limit(at_most).with_for_update(skip_locked=True)
    ).all()
    if not locked:
        return []
    # Checked again with the rows locked: a retry locks the batch before it queues the job.
    last_end = select(func.max(Job.finished_at)).where(Job.batch_id == Batch.id).scalar_subquery()
    settled = session.scalars(
        update(Batch)
        .where(Batch.id.in_(locked), *_are_done())
        .values(finished_at=func.coalesce(last_end, database_now()))
        .returning(Batch)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return list(settled.all())


def erase_empty_batches(session: Session, at_most: int) -> int:
    """Erase batches whose jobs are all erased. Returns their number."""
    empty = select(Batch.id).where(~_has_jobs()).limit(at_most)
    gone = delete(Batch).where(Batch.id.in_(empty)).returning(Batch.id)
    return len(session.scalars(gone.execution_options(synchronize_session=False)).all())


def _cancel(database: Database, batch_id: uuid.UUID) -> None:
    """Cancel the queued jobs, and ask the workers of the running ones to stop."""
    queued = select(Job.id).where(Job.batch_id == batch_id, QUEUED)
    # Waits for a worker that is just claiming one of them: that job is asked to stop below.
    some = queued.order_by(Job.id).limit(AT_ONCE).with_for_update()
    is_left = True
    while is_left:
        with database.write() as session:
            is_left = transition_queued(session, Event.CANCELLED, some) > 0
        if is_left:
            continue
        with database.write() as session:
            running = update(Job).where(Job.batch_id == batch_id, RUNNING).values(cancel_requested=True)
            session.execute(running.execution_options(synchronize_session=False))
            # A worker may have returned a job to the queue in between.
            is_left = session.scalar(queued.limit(1)) is not None


def _are_done() -> tuple[ColumnElement[bool] | TextClause, ...]:
    """Return the conditions that a batch is not settled, although all of its jobs have ended."""
    return UNFINISHED, ~_has_jobs(*NOT_ENDED)


def _has_jobs(*statuses: JobStatus) -> ColumnElement[bool]:
    """Return the condition that a batch has a job, in one of these states if any are given."""
    conditions = [Job.batch_id == Batch.id, *([Job.status.in_(statuses)] if statuses else [])]
    return exists(select(Job.id).where(*conditions))


def _chunks(jobs: Iterable[Job]) -> Iterator[list[Job]]:
    iterator = iter(jobs)
    while chunk := list(islice(iterator, AT_ONCE)):
        yield chunk
