"""Retention: finished jobs are erased, with their recordings, when they have been kept long enough."""

from datetime import timedelta

import structlog
from sqlalchemy import delete, select

from shared.clock import now
from shared.database import Database
from shared.files import FileStore
from shared.tables import Job

AT_ONCE = 200

log = structlog.get_logger(__name__)


class Retention:
    """Erases jobs that ended more than ``days`` ago; None keeps everything. Any number may be at work."""

    def __init__(self, database: Database, files: FileStore, days: float | None) -> None:
        self._database = database
        self._files = files
        self._length = None if days is None else timedelta(days=days)

    def erase_expired(self, at_most: int = 5 * AT_ONCE) -> int:
        """Erase the oldest expired jobs, ``at_most`` of them; the number erased."""
        if self._length is None:
            return 0
        erased = 0
        while erased < at_most:
            count = self._erase_some(self._length, min(AT_ONCE, at_most - erased))
            if count == 0:
                break
            erased += count
        if erased:
            log.info("jobs_expired", jobs=erased)
        return erased

    def _erase_some(self, length: timedelta, at_most: int) -> int:
        """One batch. The rows go first: a crash behind that leaves files without a job, which are found."""
        with self._database.write() as session:
            expired = session.scalars(
                select(Job.id)
                .where(Job.finished_at <= now() - length)
                .order_by(Job.finished_at)
                .limit(at_most)
                .with_for_update(skip_locked=True)
            ).all()
            keys = session.scalars(delete(Job).where(Job.id.in_(expired)).returning(Job.file_key)).all()
        for key in keys:
            self._files.delete(key)
        return len(keys)
