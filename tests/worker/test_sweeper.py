import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import update

from shared.clock import now
from shared.database import Database
from shared.jobs.attempts import claim
from shared.jobs.queries import get_job
from shared.jobs.tables import Job, JobStatus
from shared.presence import beat
from shared.queue import QUEUE, JobQueue, make_celery
from tests.worker.jobs import after, at_once, history, stored
from tests.worker.pool import running, wait_until
from worker.process import WorkerProcess
from worker.sweeper import Sweeper


@pytest.fixture
def redis(process: WorkerProcess) -> Redis:
    process.redis.delete(QUEUE)
    return process.redis


@pytest.fixture
def sweeper(process: WorkerProcess, redis: Redis) -> Iterator[Sweeper]:
    queue = JobQueue(make_celery(process.settings))
    yield Sweeper(process.database, redis, queue)
    queue.close()


def test_a_silent_workers_job_goes_back_and_a_talking_ones_stays(
    process: WorkerProcess, submit_file: Callable[..., Job], sweeper: Sweeper
) -> None:
    silent, talking = submit_file(b"a"), submit_file(b"b")
    with process.database.write() as session:
        claim(session, "silent", timedelta(seconds=-1))
        claim(session, "talking", timedelta(seconds=60))
    assert sweeper.take_back_expired() == 1
    with process.database.read() as session:
        assert get_job(session, silent.id).status is JobStatus.QUEUED
        assert get_job(session, talking.id).status is JobStatus.RUNNING
    assert sweeper.take_back_expired() == 0


def test_lost_doorbells_are_rung_again_once_for_each_worker(
    process: WorkerProcess, submit_file: Callable[..., Job], sweeper: Sweeper, redis: Redis
) -> None:
    redis.flushall()  # heartbeats of other tests
    for number in range(3):
        beat(redis, f"worker {number}", 60)
    submit_file(b"a")
    assert sweeper.ring_again() == 1
    for _ in range(9):
        submit_file(b"a")
    assert sweeper.ring_again() == 2
    assert sweeper.ring_again() == 0
    redis.lpop(QUEUE, 2)
    assert sweeper.ring_again() == 2
    redis.flushall()  # also the workers' heartbeats
    assert sweeper.ring_again() == 1


def test_two_sweepers_at_once_take_each_job_back_once(
    process: WorkerProcess, submit_file: Callable[..., Job], redis: Redis
) -> None:
    jobs = [submit_file(b"a") for _ in range(30)]
    with process.database.write() as session:
        for number, _ in enumerate(jobs):
            claim(session, f"silent {number}", timedelta(seconds=-1))
    databases = [Database(process.settings.database) for _ in range(2)]
    queue = JobQueue(make_celery(process.settings))
    counts = at_once([Sweeper(database, redis, queue).take_back_expired for database in databases])
    assert sum(counts) == len(jobs)
    for job in jobs:
        assert [event for event, _ in history(process, job)] == ["submitted", "claimed", "requeued"]
    for database in databases:
        database.close()
    queue.close()


@pytest.mark.stack
def test_the_process_does_all_of_it(
    process: WorkerProcess, submit_file: Callable[..., Job], redis_server: str, tmp_path: Path
) -> None:
    """Two at once, with short times."""
    expired, kept, broken = (submit_file(b"a") for _ in range(3))
    with process.database.write() as session:
        long_ago = now() - timedelta(days=2)
        values = {"status": JobStatus.CANCELLED, "finished_at": long_ago}
        session.execute(update(Job).where(Job.id == expired.id).values(**values))
    process.files.delete(broken.file_key)
    orphans = [process.files.path(f"{number:02x}" * 16) for number in range(5)]
    orphans.append(orphans[0].with_suffix(".part"))
    for orphan in orphans:
        orphan.parent.mkdir(exist_ok=True)
        orphan.write_bytes(b"x")
        os.utime(orphan, (1000, 1000))
    settings = process.settings.model_copy(
        update={"retention_days": 1.0, "orphan_seconds": 60.0, "sweep_seconds": 0.1}
    )
    settings.model_fields_set.update({"retention_days", "orphan_seconds", "sweep_seconds"})
    with running(settings, tmp_path) as service:
        sweepers = [service.start("worker.sweeper") for _ in range(2)]
        wait_until(lambda: not any(orphan.exists() for orphan in orphans), service.log)
        wait_until(lambda: not stored(process, expired), service.log)
        wait_until(lambda: after(process, broken).status is JobStatus.FAILED, service.log)
        wait_until(lambda: int(service.redis.llen(QUEUE)) >= 1, service.log)
        for sweeper in sweepers:
            sweeper.terminate()
            assert sweeper.wait(30) in (0, -signal.SIGTERM)  # it may still be starting
        assert "Traceback" not in service.log()
    assert (after(process, kept).status, stored(process, kept)) == (JobStatus.QUEUED, True)
    assert history(process, broken) == [("submitted", None), ("failed", "file_missing")]
