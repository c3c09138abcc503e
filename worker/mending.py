"""Mending: repair files without a job and jobs without a file, which crashes and accidents leave behind."""

import time
import uuid
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

import structlog
from redis import Redis

from shared.announcements import announce
from shared.database import Database
from shared.errors import FILE_MISSING, IllegalTransition, JobNotFound
from shared.files import FileStore
from shared.jobs import JobStatus, erase_empty_batches, fail, get_job, named_keys, queued_files

AT_ONCE = 500
LOOKED_UP = 10_000
"""Files of queued jobs that are looked for at once. In a bucket, many are found with fewer requests."""

Item = TypeVar("Item")

log = structlog.get_logger(__name__)


class Mender:
    """Makes the file store and the table of jobs consistent. Several may run at once.

    A file is stored before its job is inserted. So only files older than ``orphan_seconds`` count as orphans:
    no upload takes that long between the two steps.
    """

    def __init__(self, database: Database, redis: Redis, files: FileStore, orphan_seconds: float) -> None:
        self._database = database
        self._redis = redis
        self._files = files
        self._orphan_seconds = orphan_seconds

    def mend(self) -> None:
        """Check all files, all queued jobs and all batches once."""
        self.remove_orphans()
        self.fail_without_file()
        self.erase_empty_batches()

    def remove_orphans(self) -> int:
        """Delete old files without a job, including aborted uploads. Returns their number."""
        before = time.time() - self._orphan_seconds
        removed = self._files.remove_partial(before)
        for keys in _batches(self._files.keys(before), AT_ONCE):
            with self._database.read() as session:
                named = named_keys(session, keys)
            orphans = [key for key in keys if key not in named]
            if orphans:
                self._files.delete(*orphans)
                removed += len(orphans)
        if removed:
            log.warning("orphans_removed", files=removed)
        return removed

    def fail_without_file(self) -> int:
        """Let queued jobs without a file fail. Returns their number."""
        failed = 0
        for queued in _batches(queued_files(self._database, AT_ONCE), LOOKED_UP):
            missing = self._files.missing([key for _, key in queued])
            failed += sum(self._fail(job_id) for job_id, key in queued if key in missing)
        return failed

    def erase_empty_batches(self) -> int:
        """Erase batches whose jobs are all erased. Returns their number."""
        with self._database.write() as session:
            return erase_empty_batches(session, AT_ONCE)

    def _fail(self, job_id: uuid.UUID) -> bool:
        try:
            with self._database.write() as session:
                job = get_job(session, job_id)
                if job.status is not JobStatus.QUEUED:
                    return False  # claimed meanwhile: its worker notices the missing file
                fail(
                    session,
                    self._files,
                    job,
                    code=FILE_MISSING,
                    message="The stored recording is gone. Submit it again.",
                )
        except (IllegalTransition, JobNotFound):
            return False  # changed or erased meanwhile
        log.warning("file_missing", job_id=str(job_id))
        announce(self._redis, job_id)
        return True


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
