"""Workers that are pinned to models: which jobs they take, and how they learn of them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from shared.jobs.tables import Job, JobStatus
from shared.presence import Present, leave, present_for
from shared.queue import QUEUE, JobQueue, make_celery, queue_of
from shared.settings import Settings
from tests.speech.sounds import silence, speak, write_model
from tests.worker.jobs import after, recording
from tests.worker.pool import Service, running, wait_until
from worker.heartbeat import Heartbeat
from worker.process import WorkerProcess
from worker.sweeper import Sweeper
from worker.transcribe import answer

CLIP = recording(speak("नम मन"), silence(0.5))


@pytest.fixture
def pinned(process: WorkerProcess) -> Iterator[WorkerProcess]:
    """A process that takes jobs of `large` and `huge`, beside one that takes all."""
    for name in ("large", "huge"):
        write_model(process.settings.models_dir / name, name=name)
    changes = {"worker_models": ["large", "huge"], "default_model": "absent"}
    process = WorkerProcess.start(process.settings.model_copy(update=changes), threads=1)
    yield process
    process.close()


def test_it_loads_its_first_model_at_the_start_and_the_others_at_a_job(
    pinned: WorkerProcess, submit_file: Callable[..., Job]
) -> None:
    assert list(pinned.engines.loaded) == ["large"]
    job, other = submit_file(CLIP, model="huge"), submit_file(CLIP, model="loudness")
    assert answer(pinned)
    assert list(pinned.engines.loaded) == ["large", "huge"]
    assert not answer(pinned)
    assert [after(pinned, each).status for each in (job, other)] == [JobStatus.SUCCEEDED, JobStatus.QUEUED]


def test_the_sweeper_rings_in_the_queues_of_those_who_may_take_the_jobs(
    process: WorkerProcess, submit_file: Callable[..., Job]
) -> None:
    redis, queue = process.redis, JobQueue(make_celery(process.settings))
    sweeper = Sweeper(process.database, redis, queue)

    def waiting() -> dict[str, int]:
        names = (QUEUE, queue_of("loudness"), queue_of("large"), queue_of("huge"))
        return {name: int(redis.llen(name)) for name in names if redis.llen(name)}  # type: ignore[arg-type]

    redis.flushall()
    heartbeats = [
        Heartbeat(redis, "anybody", 60, 300),
        Heartbeat(redis, "one", 60, 300, models=["large", "huge"]),
        Heartbeat(redis, "two", 60, 300, models=["large"]),
    ]
    for heartbeat in heartbeats:
        heartbeat.start()
    wait_until(lambda: present_for(redis, "large", 300) == Present(3, 3), str)
    for _ in range(5):
        submit_file(CLIP, model="large")
    sweeper.ring_again()
    assert waiting() == {QUEUE: 3, queue_of("large"): 2}
    submit_file(CLIP, model="loudness")
    sweeper.ring_again()
    assert waiting() == {QUEUE: 3, queue_of("large"): 2}
    submit_file(CLIP, model="huge")
    assert sweeper.ring_again() == 1
    assert waiting() == {QUEUE: 3, queue_of("large"): 2, queue_of("huge"): 1}
    assert present_for(redis, "loudness", 300) == Present(3, 1)
    for heartbeat in heartbeats:
        heartbeat.stop()
    assert present_for(redis, "large", 300) == Present(0, 0)
    queue.close()


def test_a_worker_that_leaves_is_in_no_role(redis_server: str) -> None:
    with Redis.from_url(redis_server) as redis:
        redis.flushall()
        heartbeat = Heartbeat(redis, "w", 60, 300, models=["m"])
        heartbeat.start()
        wait_until(lambda: bool(redis.keys("*")), str)
        leave(redis, "w", models=["m"])
        assert redis.keys("*") == []
        heartbeat.stop()


@pytest.fixture
def service(database_url: str, redis_server: str, tmp_path: Path) -> Iterator[Service]:
    for name in ("loudness", "large"):
        write_model(tmp_path / "models" / name, name=name)
    settings = Settings(
        data_dir=tmp_path / "data",
        database_url=database_url,
        redis_url=redis_server,
        models_dir=tmp_path / "models",
        default_model="loudness",
        worker_processes=1,
        heartbeat_seconds=0.2,
        sweep_seconds=0.2,
    )
    with running(settings, tmp_path) as service:
        yield service


@pytest.mark.stack
def test_each_pool_takes_its_jobs_also_after_redis_was_emptied(service: Service) -> None:
    """Two workers, each pinned to a model; nobody takes jobs of any model."""
    before = service.submit([CLIP] * 3, model="large")
    workers = {name: service.start_worker(worker_models=name) for name in ("loudness", "large")}
    service.wait_for_ends(before)  # rung for by the worker as it started
    rung = service.submit([CLIP] * 3, model="large") + service.submit([CLIP] * 3)
    service.wait_for_ends(rung)
    service.redis.flushall()
    lost = service.submit([CLIP] * 3, model="large", rings=False)
    service.start("worker.sweeper")
    ended = service.wait_for_ends([*before, *rung, *lost])
    assert {job.status for job in ended} == {JobStatus.SUCCEEDED}
    for name, worker in workers.items():
        started = [line for line in service.log_of(worker).splitlines() if "job_started" in line]
        assert len(started) == sum(job.model == name for job in ended)
        assert all(f'"model": "{name}"' in line for line in started)


@pytest.mark.stack
def test_a_model_that_is_installed_later_is_served_by_workers_of_all_models(
    service: Service, tmp_path: Path
) -> None:
    service.start_worker()
    service.start_worker(worker_models="large")
    write_model(tmp_path / "models" / "late", name="late")
    jobs = service.submit([CLIP] * 2, model="late") + service.submit([CLIP] * 2, model="large")
    assert {job.status for job in service.wait_for_ends(jobs)} == {JobStatus.SUCCEEDED}


@pytest.mark.stack
def test_a_worker_for_a_model_that_is_not_installed_ends(service: Service) -> None:
    worker = service.start("worker", worker_models="large,absent")
    assert worker.wait(60) == 1
    assert "SHRUTLEKH_WORKER_MODELS" in service.log_of(worker)
