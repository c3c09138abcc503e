"""Insert jobs that were submitted at about the same time in one transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from shared.database import Database
from shared.errors import DatabaseFull, DatabaseUnavailable
from shared.jobs import (
    Job,
    find_job,
    holder_of,
    is_key_taken,
    queue_position,
    queue_positions,
    submit_once,
    twin_of,
)

TRIES = 5


class Placed(NamedTuple):
    """A stored job, and the number of jobs before it in the queue (None if it is not queued).

    If the idempotency key already had a job, this is that existing job.
    """

    job: Job
    position: int | None


class InsertInDoubt(DatabaseUnavailable):
    """The connection was lost during COMMIT: the rows may be in the database, now or in a moment."""


@contextmanager
def inserting(database: Database) -> Iterator[Session]:
    """Open a session that is committed at the end of the block, as :meth:`Database.write`.

    Raises:
        DatabaseUnavailable: nothing was inserted.
        InsertInDoubt: unknown whether the rows were inserted.
    """
    is_complete = False
    try:
        with database.write() as session:
            yield session
            is_complete = True
    except DatabaseUnavailable as error:
        if is_complete and not _is_refusal(error):
            raise InsertInDoubt(error.message) from error
        raise


def insert(database: Database, jobs: list[Job]) -> list[Placed]:
    """Queue jobs in one transaction.

    Raises:
        DatabaseUnavailable: none of the jobs was inserted.
        InsertInDoubt: unknown whether the jobs were inserted.
    """
    for tried in range(TRIES):
        try:
            # Most keys are new, so the first try skips the query for existing jobs.
            return _insert(database, jobs, look_first=tried > 0)
        except IntegrityError as error:
            # A key is taken; the next try finds its job.
            if not is_key_taken(error):
                raise
    raise DatabaseUnavailable("Too many requests with the same keys at once. Try again in a moment.")


def find(database: Database, job: Job) -> Placed | None:
    """Find the stored row of ``job``, or else the job with its idempotency key; None if neither exists.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    with database.read() as session:
        found = find_job(session, job.id)
        if found is None and job.idempotency_key is not None:
            found = holder_of(session, job.tenant, job.idempotency_key)
        return None if found is None else Placed(found, queue_position(session, found))


def find_twin(database: Database, job: Job, since: datetime) -> Placed | None:
    """Find the newest job since ``since`` that requests the same as ``job`` (:func:`shared.jobs.twin_of`).

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    with database.read() as session:
        twin = twin_of(session, job, since)
        return None if twin is None else Placed(twin, queue_position(session, twin))


def _insert(database: Database, jobs: list[Job], *, look_first: bool) -> list[Placed]:
    with inserting(database) as session:
        placed = _place(session, sorted(jobs, key=lambda job: job.id), look_first=look_first)
    by_id = dict(zip(sorted(job.id for job in jobs), placed, strict=True))
    return [by_id[job.id] for job in jobs]


def _place(session: Session, jobs: list[Job], *, look_first: bool) -> list[Placed]:
    holders = submit_once(session, *jobs, look_first=look_first)
    positions = queue_positions(session, list({job.id: job for job in holders}.values()))
    return [Placed(job, positions.get(job.id)) for job in holders]


def _is_refusal(error: DatabaseUnavailable) -> bool:
    """Return whether the database itself rejected the transaction: the failure is not of network or disk."""
    if isinstance(error, DatabaseFull):
        return True
    cause = error.__cause__
    if not isinstance(cause, DBAPIError) or cause.connection_invalidated:
        return False
    return getattr(cause.orig, "sqlstate", None) is not None
