import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from redis import Redis

from shared.jobs import get_job
from shared.lifecycle import claim_next
from shared.queue import QUEUE, JobQueue, make_celery
from shared.tables import Job, JobStatus
from worker.process import WorkerProcess
from worker.sweeper import PARTIAL_UPLOAD_SECONDS, Sweeper


@pytest.fixture
def redis(process: WorkerProcess) -> Redis:
    process.redis.delete(QUEUE)
    return process.redis


@pytest.fixture
def sweeper(process: WorkerProcess, redis: Redis) -> Iterator[Sweeper]:
    queue = JobQueue(make_celery(process.settings))
    yield Sweeper(process.database, redis, queue, process.files)
    queue.close()


def test_a_silent_workers_job_goes_back_and_a_talking_ones_stays(
    process: WorkerProcess, submit_file: Callable[..., Job], sweeper: Sweeper
) -> None:
    silent, talking = submit_file(b"a"), submit_file(b"b")
    with process.database.write() as session:
        claim_next(session, "silent", timedelta(seconds=-1))
        claim_next(session, "talking", timedelta(seconds=60))
    assert sweeper.take_back_expired() == 1
    with process.database.read() as session:
        assert get_job(session, silent.id).status is JobStatus.QUEUED
        assert get_job(session, talking.id).status is JobStatus.RUNNING
    assert sweeper.take_back_expired() == 0


def test_lost_doorbells_are_rung_again_once(
    process: WorkerProcess, submit_file: Callable[..., Job], sweeper: Sweeper, redis: Redis
) -> None:
    for _ in range(5):
        submit_file(b"a")
    assert sweeper.ring_again() == 5
    assert sweeper.ring_again() == 0
    redis.lpop(QUEUE, 2)
    assert sweeper.ring_again() == 2
    redis.flushall()
    assert sweeper.ring_again() == 5


def test_leftovers_of_uploads_go_when_they_are_old(
    process: WorkerProcess, submit_file: Callable[..., Job], sweeper: Sweeper
) -> None:
    kept = submit_file(b"a")
    leftover = process.files.path("ff" * 16).with_suffix(".part")
    leftover.parent.mkdir(parents=True, exist_ok=True)
    leftover.write_bytes(b"half")
    sweeper.sweep()
    assert leftover.exists()
    old = time.time() - PARTIAL_UPLOAD_SECONDS - 1
    os.utime(leftover, (old, old))
    sweeper.sweep()
    assert not leftover.exists()
    assert process.files.path(kept.file_key).exists()
