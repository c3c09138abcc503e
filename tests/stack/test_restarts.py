"""Workers told to stop in the middle of their jobs: nothing is lost, nothing done twice."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import select

from shared.database import Database
from shared.jobs.queries import read_segments
from shared.jobs.tables import RUNNING, Job, JobEvent, JobStatus
from shared.settings import Settings
from speech import Engine
from tests.speech.sounds import silence, speak, write_model
from tests.stack.conftest import ROOT
from tests.stack.counted_worker import RUNS_FILE, START_SECONDS
from tests.worker.jobs import long_recording, recording
from tests.worker.pool import Service, running, wait_until

pytestmark = pytest.mark.stack

COUNTED = "tests.stack.counted_worker"
SHORT = recording(speak("नम मन"), silence(0.5))
LONG = long_recording(150)
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "loudness", name="loudness")


@pytest.fixture
def service(
    database_url: str, redis_server: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    """A service whose workers have one process each and stop almost at once."""
    monkeypatch.setenv(RUNS_FILE, str(tmp_path / "runs"))
    (tmp_path / "runs").touch()
    settings = Settings(
        data_dir=tmp_path / "data",
        database_url=database_url,
        redis_url=redis_server,
        models_dir=model.parent,
        default_model="loudness",
        worker_processes=1,
        drain_seconds=0.1,
        sweep_seconds=0.5,
        heartbeat_seconds=0.5,
    )
    with running(settings, tmp_path) as service:
        yield service


def runs(service: Service) -> int:
    """Runs of the graph so far, of all workers."""
    return (service.folder / "runs").stat().st_size


def quiet(model: Path, content: bytes, tmp_path: Path) -> tuple[int, list[str]]:
    """Runs of the graph that a recording takes, and its texts."""
    (tmp_path / "quiet.wav").write_bytes(content)
    engine = Engine.load(model)
    count = 0
    log_probs = engine.recogniser.log_probs

    def counted(waveforms: object) -> object:
        nonlocal count
        count += 1
        return log_probs(waveforms)  # type: ignore[arg-type]

    engine.recogniser.log_probs = counted  # type: ignore[assignment, method-assign]
    with engine.transcribe(tmp_path / "quiet.wav") as transcription:
        texts = [segment.text for segment in transcription.segments()]
    return count, texts


def texts(service: Service, job_id: uuid.UUID) -> list[str]:
    return [segment.text for segment in read_segments(service.database, job_id)]


def stop(worker: "subprocess.Popen[bytes]", service: Service) -> None:
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0, service.log()


def holds_a_long_job(service: Service, worker: "subprocess.Popen[bytes]") -> bool:
    pool = service.pool_of(worker)
    with service.database.read() as session:
        running = session.scalars(select(Job).where(RUNNING)).all()
    return any(
        job.file_bytes == len(LONG) and int(str(job.lease_owner).split(":")[1]) in pool for job in running
    )


def test_a_rolling_restart_under_load(service: Service, model: Path, tmp_path: Path) -> None:
    service.start("worker.sweeper")
    workers = [service.start_worker(COUNTED) for _ in range(3)]
    contents: list[bytes] = []
    jobs: list[uuid.UUID] = []

    def in_the_middle(worker: "subprocess.Popen[bytes]") -> bool:
        done = all(service.job(job).status.is_final for job in jobs)  # on a slow machine it may get none
        return done or holds_a_long_job(service, worker)

    for worker in workers:
        service.start_worker(COUNTED)
        wave = [LONG] * 5 + [SHORT] * 9
        contents += wave
        jobs += service.submit(wave)
        wait_until(partial(in_the_middle, worker), service.log)
        stop(worker, service)
    ends = service.wait_for_ends(jobs)

    assert {(job.status, job.attempt) for job in ends} == {(JobStatus.SUCCEEDED, 1)}
    known = {content: quiet(model, content, tmp_path) for content in (LONG, SHORT)}
    released = 0
    for job_id, content in zip(jobs, contents, strict=True):
        events = [event for event, _, _ in service.events(job_id)]
        again = events.count("released")
        assert events == ["submitted", *["claimed", "released"] * again, "claimed", "succeeded"]
        assert texts(service, job_id) == known[content][1]
        released += again
    assert 1 <= released <= len(workers)
    expected = sum(known[content][0] for content in contents)
    assert expected <= runs(service) <= expected + len(workers)


@ON_SQLITE
def test_a_job_goes_on_at_once_with_another_worker(service: Service, model: Path, tmp_path: Path) -> None:
    """No sweeper runs, so the doorbell that the stopped worker rings is all there is."""
    workers = {service.start_worker(COUNTED) for _ in range(2)}
    (job,) = service.submit([LONG])
    wait_until(lambda: runs(service) >= 2, service.log)
    holder = int(str(service.job(job).lease_owner).split(":")[1])
    (first,) = (worker for worker in workers if holder in service.pool_of(worker))
    stop(first, service)
    (end,) = service.wait_for_ends([job])
    assert (end.status, end.attempt) == (JobStatus.SUCCEEDED, 1)
    events = [event for event, _, _ in service.events(job)]
    assert events == ["submitted", "claimed", "released", "claimed", "succeeded"]
    count, words = quiet(model, LONG, tmp_path)
    assert texts(service, job) == words
    assert runs(service) == count


@ON_SQLITE
def test_an_idle_worker_and_one_that_is_starting_end_at_once(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop(service.start_worker(), service)
    monkeypatch.setenv(START_SECONDS, "600")
    starting = service.start(COUNTED)
    wait_until(lambda: len(psutil.Process(starting.pid).children()) > 0, service.log)
    stop(starting, service)


@ON_SQLITE
def test_a_job_may_finish_within_the_drain(service: Service) -> None:
    worker = service.start_worker(COUNTED, drain_seconds=60.0)
    (job,) = service.submit([LONG])
    wait_until(lambda: runs(service) >= 2, service.log)
    stop(worker, service)
    assert service.job(job).status is JobStatus.SUCCEEDED
    assert [event for event, _, _ in service.events(job)] == ["submitted", "claimed", "succeeded"]


@ON_SQLITE
def test_a_sigterm_to_all_processes_of_a_worker_gives_the_job_back(service: Service) -> None:
    """As an init system sends it to a whole service."""
    worker = service.start_worker(COUNTED, drain_seconds=60.0)
    (job,) = service.submit([LONG])
    wait_until(lambda: service.job(job).chunks_done > 0, service.log)
    for process in [*psutil.Process(worker.pid).children(), psutil.Process(worker.pid)]:
        process.terminate()
    assert worker.wait(60) == 0, service.log()
    given_back = service.job(job)
    assert (given_back.status, given_back.attempt) == (JobStatus.QUEUED, 0)
    assert given_back.chunks_done > 0


SLOW_WORKER = """
import sys
import time

if sys.orig_argv[-1] == "worker":
    from speech.recognisers.onnx_ctc import OnnxCtcRecogniser

    log_probs = OnnxCtcRecogniser.log_probs
    OnnxCtcRecogniser.log_probs = lambda *arguments: time.sleep(0.4) or log_probs(*arguments)
"""


@contextmanager
def serving(model: Path, folder: Path) -> Iterator[httpx.Client]:
    """`shrutlekh serve` with a slow model, stopped in order."""
    (folder / "sitecustomize.py").write_text(SLOW_WORKER)
    environment = os.environ | {
        "PYTHONPATH": str(folder),
        "SHRUTLEKH_MODELS_DIR": str(model.parent),
        "SHRUTLEKH_DEFAULT_MODEL": "loudness",
        "SHRUTLEKH_DRAIN_SECONDS": "0.1",
    }
    command = [sys.executable, "-m", "ops", "serve", "--port", "0", "--workers", "1", "--data"]
    process = subprocess.Popen(
        [*command, str(folder / "data")], env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        with httpx.Client(base_url=url, timeout=60) as http:
            yield http
        process.send_signal(signal.SIGTERM)
        assert process.wait(90) == 0
    finally:
        process.kill()
        process.wait()


def test_serve_gives_jobs_back_and_goes_on_with_them(model: Path, tmp_path: Path) -> None:
    """Stopped in the middle of a job and started again, it goes on from the last segment."""

    def log() -> str:
        return (tmp_path / "data" / "logs" / "worker.log").read_text()

    with serving(model, tmp_path) as http:
        job = http.post("/v1/jobs", files={"file": ("a.wav", LONG)}).raise_for_status().headers["Location"]
        wait_until(lambda: http.get(job).json()["progress"] > 0, log)
    with serving(model, tmp_path) as http:
        wait_until(lambda: http.get(job).json()["status"] == "succeeded", log)
        heard = [part["text"] for part in http.get(f"{job}/transcript").json()["segments"]]
    assert heard == quiet(model, LONG, tmp_path)[1]
    database = Database(f"sqlite:///{tmp_path / 'data' / 'shrutlekh.db'}")
    with database.read() as session:
        events = session.scalars(select(JobEvent).order_by(JobEvent.id)).all()
    database.close()
    assert [(row.event, row.attempt) for row in events] == [
        ("submitted", 0), ("claimed", 1), ("released", 0), ("claimed", 1), ("succeeded", 1),
    ]  # fmt: skip
