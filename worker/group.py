"""Jobs that a process claimed together, and works on one after another."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

import structlog
from sqlalchemy.orm import Session

from shared import jobs
from shared.errors import DatabaseUnavailable, IllegalTransition, JobNotFound
from shared.jobs import Job
from worker.process import WorkerProcess

log = structlog.get_logger(__name__)


class Claimed(NamedTuple):
    """A job that this process may work on, and the number of its segments that earlier attempts saved."""

    job: Job
    segments: int


class Group:
    """The jobs of one claim, in the order of the queue.

    Those that wait are given back if the process stops, however it stops, except by a crash.
    """

    def __init__(self, process: WorkerProcess, claimed: Sequence[Claimed]) -> None:
        self._process = process
        self._waiting = deque(claimed)
        self._renewed = time.monotonic()

    def jobs(self, is_over: Callable[[], bool]) -> Iterator[Claimed]:
        """Yield the jobs. Once `is_over` says so, the rest is given back; the first is always yielded."""
        while self._waiting:
            yield self._waiting.popleft()
            if self._waiting and is_over():
                self.release()

    @property
    def seconds_since_renewal(self) -> float:
        """Age of the leases on the jobs that wait."""
        return time.monotonic() - self._renewed

    def renew(self, session: Session) -> None:
        """Renew the leases on the jobs that wait, in the transaction that renews the lease on the current."""
        if self._waiting:
            length = timedelta(seconds=self._process.settings.lease_seconds)
            jobs.keep_leases(session, self._process.name, length)
        self._renewed = time.monotonic()

    def release(self) -> None:
        """Give the jobs that wait back to the queue. If the database is away, their leases expire instead."""
        rest = [self._waiting.popleft().job for _ in range(len(self._waiting))]
        with suppress(DatabaseUnavailable):
            for job in rest:
                self._release(job)
        for job in rest:
            self._process.queue.ring_for(self._process.redis, job.model, [job.id])

    def _release(self, job: Job) -> None:
        try:
            with self._process.database.write() as session:
                current = jobs.get_job(session, job.id)
                jobs.release(session, current, owner=self._process.name)
        except (IllegalTransition, JobNotFound):
            return  # its lease had expired
        log.info("job_released", job_id=str(job.id))
