from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

import worker.retention
from shared.clock import now
from shared.database import Database
from shared.files import FolderStore
from shared.jobs.tables import Job, JobEvent, JobStatus, SegmentRow, WaveformRow
from tests.speech.sounds import speak
from tests.worker.jobs import after, at_once, recording, stored
from worker.process import WorkerProcess
from worker.retention import Retention
from worker.transcribe import answer


def finish(
    process: WorkerProcess, job: Job, days_ago: float, status: JobStatus = JobStatus.CANCELLED
) -> None:
    values = {"status": status, "finished_at": now() - timedelta(days=days_ago)}
    if status is JobStatus.SUCCEEDED:
        values["audio_seconds"] = 1.0
    if status is JobStatus.FAILED:
        values |= {"error_code": "x", "error_message": "x"}
    with process.database.write() as session:
        session.execute(update(Job).where(Job.id == job.id).values(**values))


def exists(process: WorkerProcess, job: Job) -> bool:
    with process.database.read() as session:
        return session.get(Job, job.id) is not None


def test_only_jobs_that_ended_long_ago_are_erased(
    process: WorkerProcess, submit_file: Callable[..., Job]
) -> None:
    old = [submit_file(b"a") for _ in range(3)]
    for job, status in zip(old, (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED), strict=True):
        finish(process, job, 8, status)
    young, waiting = submit_file(b"a"), submit_file(b"a")
    finish(process, young, 6)
    with process.database.write() as session:
        long_ago = now() - timedelta(days=99)
        session.execute(update(Job).where(Job.id == waiting.id).values(created_at=long_ago))
    retention = Retention(process.database, process.files, days=7)
    assert retention.erase_expired() == 3
    assert not any(exists(process, job) or stored(process, job) for job in old)
    assert all(exists(process, job) and stored(process, job) for job in (young, waiting))
    assert retention.erase_expired() == 0


def test_nothing_is_left_of_an_expired_job(process: WorkerProcess, submit_file: Callable[..., Job]) -> None:
    job = submit_file(recording(speak("नम")))
    answer(process)
    assert after(process, job).status is JobStatus.SUCCEEDED
    finish(process, job, 2, JobStatus.SUCCEEDED)
    Retention(process.database, process.files, days=1).erase_expired()
    with process.database.read() as session:
        for table in (Job, JobEvent, SegmentRow, WaveformRow):
            assert session.scalar(select(func.count()).select_from(table)) == 0
    assert list(process.files.keys()) == []


def test_it_is_off_by_default(process: WorkerProcess, submit_file: Callable[..., Job]) -> None:
    job = submit_file(b"a")
    finish(process, job, 10_000)
    assert process.settings.retention_days is None
    assert Retention(process.database, process.files, process.settings.retention_days).erase_expired() == 0
    assert exists(process, job)


def test_it_goes_in_batches_oldest_first(
    process: WorkerProcess, submit_file: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.retention, "AT_ONCE", 2)
    jobs = [submit_file(b"a") for _ in range(6)]
    for age, job in enumerate(jobs, 2):
        finish(process, job, age)
    retention = Retention(process.database, process.files, days=1)
    assert retention.erase_expired(at_most=3) == 3
    assert [exists(process, job) for job in jobs] == [True] * 3 + [False] * 3
    assert retention.erase_expired() == 3


def test_a_job_retried_in_this_moment_stays(process: WorkerProcess, submit_file: Callable[..., Job]) -> None:
    job = submit_file(b"a")
    finish(process, job, 9)
    with process.database.write() as session:
        session.execute(update(Job).where(Job.id == job.id).values(status=JobStatus.QUEUED, finished_at=None))
    assert Retention(process.database, process.files, days=1).erase_expired() == 0
    assert stored(process, job)


def test_two_at_once_erase_each_job_once(
    process: WorkerProcess, submit_file: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.retention, "AT_ONCE", 3)
    for _ in range(40):
        finish(process, submit_file(b"a"), 9)
    databases = [Database(process.settings.database) for _ in range(2)]
    files = FolderStore(process.settings.files_dir)
    counts = at_once([Retention(database, files, days=1).erase_expired for database in databases])
    assert sum(counts) == 40
    assert list(files.keys()) == []
    for database in databases:
        database.close()
