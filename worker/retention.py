"""Retention: erase finished jobs with their recordings after a configured time."""

from datetime import timedelta

import structlog

from shared.clock import now
from shared.database import Database
from shared.files import FileStore
from shared.jobs import Selection, erase_finished
from worker.metrics import JOBS_ERASED

AT_ONCE = 200

log = structlog.get_logger(__name__)


class Retention:
    """Erases jobs that ended more than ``days`` ago; None keeps everything. Several may run at once."""

    def __init__(self, database: Database, files: FileStore, days: float | None) -> None:
        self._database = database
        self._files = files
        self._length = None if days is None else timedelta(days=days)

    def erase_expired(self, at_most: int = 5 * AT_ONCE) -> int:
        """Erase up to ``at_most`` of the oldest expired jobs. Returns the number erased."""
        if self._length is None:
            return 0
        erased = 0
        while erased < at_most:
            expired = Selection(before=now() - self._length)
            count = erase_finished(self._database, self._files, expired, min(AT_ONCE, at_most - erased))
            if count == 0:
                break
            erased += count
        if erased:
            JOBS_ERASED.inc(erased)
            log.info("jobs_expired", jobs=erased)
        return erased
