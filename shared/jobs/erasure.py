"""Erasing many finished jobs with their recordings."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, delete, select

from shared.database import Database
from shared.files import FileStore
from shared.jobs.tables import Job


def erase_finished(
    database: Database, files: FileStore, conditions: Sequence[ColumnElement[bool]], at_most: int
) -> int:
    """Erase the ``at_most`` jobs that ended first among those that have ended and meet all ``conditions``.

    In one transaction; the rows go first: a crash behind that leaves files without a job, which are found.
    Any number may be at work.

    Returns:
        The number erased.
    """
    with database.write() as session:
        chosen = session.scalars(
            select(Job.id)
            .where(Job.finished_at.is_not(None), *conditions)
            .order_by(Job.finished_at)
            .limit(at_most)
            .with_for_update(skip_locked=True)
        ).all()
        keys = session.scalars(delete(Job).where(Job.id.in_(chosen)).returning(Job.file_key)).all()
    for key in keys:
        files.delete(key)
    return len(keys)
