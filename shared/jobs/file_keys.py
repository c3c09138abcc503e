"""Which job owns which stored file, for the sweeper and doctor, which compare jobs and files."""

import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, TextClause, or_, select, tuple_
from sqlalchemy.orm import QueryableAttribute, Session

from shared.database import Database
from shared.errors import FILE_MISSING, RECORDING_ERRORS
from shared.jobs.tables import QUEUED, Job, JobStatus
from shared.jobs.turns import ORDER


def named_keys(session: Session, keys: Sequence[str]) -> set[str]:
    """Return the subset of the keys that belong to a job."""
    return set(session.scalars(select(Job.file_key).where(Job.file_key.in_(keys))))


def queued_files(database: Database, at_once: int) -> Iterator[tuple[uuid.UUID, str]]:
    """Yield ids and file keys of the queued jobs in queue order, reading ``at_once`` jobs per transaction.

    Changes made during the iteration may be missed.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    return _files_of(database, QUEUED, ORDER, at_once)


def kept_files(database: Database, at_once: int) -> Iterator[tuple[uuid.UUID, str]]:
    """Yield ids and file keys of all jobs whose recording should be stored, like :func:`queued_files`."""
    return _files_of(database, _keeps_file(), (Job.id,), at_once)


def statuses_of_kept(session: Session, job_ids: Sequence[uuid.UUID]) -> Sequence[tuple[uuid.UUID, JobStatus]]:
    """Return the ids and states of those of the jobs whose recording should be stored, ordered by id."""
    chosen = select(Job.id, Job.status).where(Job.id.in_(job_ids), _keeps_file()).order_by(Job.id)
    return [(job_id, status) for job_id, status in session.execute(chosen)]


def _keeps_file() -> ColumnElement[bool]:
    return or_(Job.error_code.is_(None), Job.error_code.not_in(RECORDING_ERRORS | {FILE_MISSING}))


def _files_of(
    database: Database,
    wanted: ColumnElement[bool] | TextClause,
    order: Sequence[QueryableAttribute[Any]],
    at_once: int,
) -> Iterator[tuple[uuid.UUID, str]]:
    """Page through the jobs by ``order``, whose columns must be unique together."""
    query = select(Job.id, Job.file_key, *order).where(wanted).order_by(*order).limit(at_once)
    page = query
    while True:
        with database.read() as session:
            rows = session.execute(page).all()
        for row in rows:
            yield row[0], row[1]
        if len(rows) < at_once:
            return
        page = query.where(tuple_(*order) > tuple_(*rows[-1][2:]))
