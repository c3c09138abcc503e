import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from uuid_utils.compat import uuid7

import worker.mending
from shared.clock import now
from shared.database import Database
from shared.files import FileStore, FolderStore
from shared.jobs import page_of_batches
from shared.jobs.attempts import claim
from shared.jobs.tables import Batch, Job, JobStatus
from tests.worker.jobs import after, at_once, history, stored
from worker.mending import Mender
from worker.process import WorkerProcess

ORPHAN_SECONDS = 3600.0


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.mending, "AT_ONCE", 4)


@pytest.fixture
def mender(process: WorkerProcess) -> Mender:
    return Mender(process.database, process.redis, process.files, ORPHAN_SECONDS)


def age(path: Path, seconds: float = ORPHAN_SECONDS + 1) -> None:
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


def put(files: FileStore, key: str) -> Path:
    path = files.path(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_old_files_that_no_job_names_go(
    process: WorkerProcess, submit_file: Callable[..., Job], mender: Mender
) -> None:
    jobs = [submit_file(b"a") for _ in range(10)]
    for job in jobs:
        age(process.files.path(job.file_key))
    old = [put(process.files, f"{number:032x}") for number in range(10)]
    old.append(put(process.files, "ff" * 16).rename(process.files.path("ff" * 16).with_suffix(".part")))
    for path in old:
        age(path)
    # On their way: the file of an upload lies there before its job has a row.
    young = [
        put(process.files, "ee" * 16),
        put(process.files, "dd" * 16).rename(tmp := old[0].parent / "d.part"),
    ]
    assert tmp.exists()
    assert mender.remove_orphans() == len(old)
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in young)
    assert all(stored(process, job) for job in jobs)
    assert mender.remove_orphans() == 0


def test_queued_jobs_whose_file_is_gone_fail(
    process: WorkerProcess, submit_file: Callable[..., Job], mender: Mender
) -> None:
    whole = [submit_file(b"a", client=f"{number}") for number in range(6)]
    broken = [submit_file(b"a", client=f"{number % 3}") for number in range(9)]
    for job in broken:
        process.files.delete(job.file_key)
    assert mender.fail_without_file() == len(broken)
    for job in broken:
        failed = after(process, job)
        assert (failed.status, failed.error_code) == (JobStatus.FAILED, "file_missing")
        assert failed.error_message == "The stored recording is gone. Submit it again."
        assert history(process, job) == [("submitted", None), ("failed", "file_missing")]
    assert {after(process, job).status for job in whole} == {JobStatus.QUEUED}
    assert mender.fail_without_file() == 0


def test_running_and_finished_jobs_are_left_alone(
    process: WorkerProcess,
    submit_file: Callable[..., Job],
    mender: Mender,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also one that is claimed between the look at its file and the verdict."""
    job = submit_file(b"a")
    process.files.delete(job.file_key)
    fail = Mender._fail

    def claim_first(mender: Mender, job_id: object) -> bool:
        with process.database.write() as session:
            assert claim(session, "w", timedelta(seconds=60))
        return fail(mender, job_id)  # type: ignore[arg-type]

    monkeypatch.setattr(Mender, "_fail", claim_first)
    assert mender.fail_without_file() == 0
    assert after(process, job).status is JobStatus.RUNNING
    assert mender.fail_without_file() == 0


def test_two_at_once(process: WorkerProcess, submit_file: Callable[..., Job]) -> None:
    broken = [submit_file(b"a") for _ in range(15)]
    kept = [submit_file(b"a") for _ in range(5)]
    for job in broken:
        process.files.delete(job.file_key)
    for number in range(30):
        age(put(process.files, f"{number:032x}"))
    databases = [Database(process.settings.database) for _ in range(2)]
    menders = [
        Mender(database, process.redis, FolderStore(process.settings.files_dir), ORPHAN_SECONDS)
        for database in databases
    ]
    at_once([mender.mend for mender in menders])
    for job in broken:
        assert history(process, job) == [("submitted", None), ("failed", "file_missing")]
    assert sorted(process.files.keys()) == sorted(job.file_key for job in kept)
    for database in databases:
        database.close()


def test_a_cancelled_job_keeps_its_file(
    process: WorkerProcess, submit_file: Callable[..., Job], mender: Mender
) -> None:
    job = submit_file(b"a")
    with process.database.write() as session:
        session.execute(
            update(Job).where(Job.id == job.id).values(status=JobStatus.CANCELLED, finished_at=job.created_at)
        )
    age(process.files.path(job.file_key))
    mender.mend()
    assert stored(process, job)


def test_batches_whose_jobs_are_erased_go(
    process: WorkerProcess, submit_file: Callable[..., Job], mender: Mender
) -> None:
    batches = [Batch(id=uuid7(), name="", jobs=1, digest="", skipped=[], created_at=now()) for _ in range(2)]
    kept = batches[0].id
    with process.database.write() as session:
        session.add_all(batches)
    submit_file(b"a", batch_id=kept)
    mender.mend()
    with process.database.read() as session:
        assert [batch.id for batch in page_of_batches(session, None, limit=5).batches] == [kept]
