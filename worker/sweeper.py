"""The sweeper: requeue the jobs of silent workers, and send lost doorbells again.

``python -m worker.sweeper`` runs it together with retention, mending and the courier of webhooks. Several may
run at once, because every step is a conditional update.
"""

import signal
import threading
import time
import uuid
from collections.abc import Callable

import structlog
from redis import Redis
from redis.exceptions import RedisError

from shared import connection_budget
from shared.announcements import announce
from shared.database import Database, open_database
from shared.errors import LEASE_EXPIRED, IllegalTransition, ServiceError
from shared.exiting import exit_fast
from shared.files import open_store
from shared.jobs import JobStatus, due_jobs, expired_jobs, get_job, models_in_queue, take_back
from shared.logs import configure_logging
from shared.queue import JobQueue, doorbells_wanted, make_celery
from shared.redis import open_redis
from shared.settings import Settings
from worker import exposition, metrics
from worker.courier import CourierThread
from worker.mending import Mender
from worker.retention import Retention
from worker.settling import Settler

AT_ONCE = 1000
MEND_SECONDS = 600.0

log = structlog.get_logger(__name__)


class Sweeper:
    """Requeues jobs with expired leases and sends missing doorbells. :meth:`sweep` is one round."""

    def __init__(self, database: Database, redis: Redis, queue: JobQueue) -> None:
        self._database = database
        self._redis = redis
        self._queue = queue

    def sweep(self) -> None:
        """Requeue jobs with expired leases, and send doorbells for due jobs without one."""
        self.take_back_expired()
        self.ring_again()

    def take_back_expired(self) -> int:
        """End the attempts whose lease ran out. Returns their number."""
        with self._database.read() as session:
            expired = expired_jobs(session, AT_ONCE)
        return sum(self._take_back(job_id) for job_id in expired)

    def ring_again(self) -> int:
        """Send doorbells until there is one for each worker process that may take a due job.

        Returns the number sent.

        Messages that a worker has prefetched are not counted, so a few too many may be sent. They are
        harmless: their worker finds no job to claim.
        """
        with self._database.read() as session:
            models = models_in_queue(session)
        rung = sum(map(self._ring_for, models))
        metrics.DOORBELLS_REPEATED.inc(rung)
        return rung

    def _ring_for(self, model: str) -> int:
        """Send the doorbells for due jobs of a model. Returns their number."""
        try:
            wanted = doorbells_wanted(self._redis, model)
        except (RedisError, OSError):
            return 0
        if not wanted:
            return 0
        with self._database.read() as session:
            due = due_jobs(session, min(max(wanted.values()), AT_ONCE), [model])
        return sum(self._queue.ring(job_id, queue) for queue, most in wanted.items() for job_id in due[:most])

    def _take_back(self, job_id: uuid.UUID) -> bool:
        try:
            with self._database.write() as session:
                held = get_job(session, job_id)
                attempt = held.attempt
                job = take_back(
                    session,
                    held,
                    code=LEASE_EXPIRED,
                    message="Its worker fell silent: it crashed, hung, or was cut off.",
                )
        except (IllegalTransition, ServiceError):
            return False  # renewed, finished or erased meanwhile
        metrics.LEASES_EXPIRED.inc()
        if job.attempt == attempt:  # else it had only waited for its turn in a group
            metrics.count_broken_attempt(LEASE_EXPIRED, is_last=job.status is JobStatus.FAILED)
        log.warning("lease_expired", job_id=str(job_id), attempt=job.attempt, status=job.status.value)
        announce(self._redis, job_id)
        return True


def main() -> None:
    """Sweep until SIGTERM or SIGINT."""
    exit_fast()
    settings = Settings()
    configure_logging(settings.log_level)
    exposition.serve_or_exit(settings.host, settings.sweeper_metrics_port)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    database = open_database(settings, connection_budget.SWEEPER)
    redis = open_redis(settings.redis_url)
    files = open_store(settings)
    sweeper = Sweeper(database, redis, JobQueue(make_celery(settings)))
    retention = Retention(database, files, settings.retention_days)
    mender = Mender(database, redis, files, settings.orphan_seconds)
    settler = Settler(database)
    courier = CourierThread(settings)
    if settings.webhooks:
        courier.start()
    mend_pause = min(settings.orphan_seconds, MEND_SECONDS)
    mend_at = time.monotonic()
    while not stopped.is_set():
        _attempt(sweeper.sweep)
        if not settings.webhooks:  # else the courier does, and sooner
            _attempt(settler.settle_finished)
        _attempt(retention.erase_expired)
        if time.monotonic() >= mend_at:
            _attempt(mender.mend)
            mend_at = time.monotonic() + mend_pause
        stopped.wait(settings.sweep_seconds)
    if courier.is_alive():
        courier.stop()


def _attempt(step: Callable[[], object]) -> None:
    """Run a step. If it fails, the next round repeats it."""
    try:
        step()
    except (ServiceError, OSError) as error:
        log.warning("sweep_failed", step=step.__qualname__, error=type(error).__name__)


if __name__ == "__main__":
    main()
