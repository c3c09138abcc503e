"""A worker and a sweeper whose recordings are in a bucket: jobs outlive outages of the storage."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

import worker.mending
import worker.outage
import worker.recording
from shared.errors import StorageFull, StorageUnavailable
from shared.files import FileStore
from shared.jobs.tables import Job, JobStatus
from tests.s3_server import BUCKET, S3Server, s3_server
from tests.speech.sounds import speak
from tests.worker.jobs import after, history, make_due, recording, stored, transcript
from worker.mending import Mender
from worker.process import WorkerProcess
from worker.transcribe import answer

pytestmark = pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True)

SUCCESS = [("submitted", None), ("claimed", None), ("succeeded", None)]
RELEASED = [("submitted", None), ("claimed", None), ("released", None)]


@pytest.fixture
def server(s3: S3Server) -> Iterator[S3Server]:
    """A server that the test may freeze and kill."""
    with s3_server() as server:
        yield server


@pytest.fixture
def store_settings(server: S3Server) -> dict[str, str]:
    return server.settings("of-a-worker")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.files.s3_client.READ_SECONDS", 0.5)
    monkeypatch.setattr("shared.files.s3_client.CONNECT_SECONDS", 0.5)
    monkeypatch.setattr("shared.files.s3_client.TRIES", 1)


@pytest.fixture
def job(submit_file: Callable[..., Job]) -> Job:
    return submit_file(recording(speak("नम मन")))


def give_up_soon(process: WorkerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.outage, "PATIENCE_SECONDS", 1.0)
    object.__setattr__(process, "settings", process.settings.model_copy(update={"lease_seconds": 1.0}))


def test_a_recording_is_fetched_and_its_copy_goes(process: WorkerProcess, job: Job) -> None:
    assert answer(process)
    assert history(process, job) == SUCCESS
    assert [segment[3] for segment in transcript(process, job)] == ["नम मन"]
    assert stored(process, job)
    assert not [path for path in process.settings.scratch.rglob("*") if path.is_file()]
    assert not process.settings.files_dir.exists()


def test_a_job_waits_for_a_frozen_storage(process: WorkerProcess, job: Job, server: S3Server) -> None:
    server.freeze()
    timer = threading.Timer(3.0, server.thaw)
    timer.start()
    assert answer(process)
    timer.join()
    assert history(process, job) == SUCCESS
    assert after(process, job).attempt == 1


def test_an_outage_that_lasts_costs_no_attempt(
    process: WorkerProcess, job: Job, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_up_soon(process, monkeypatch)
    server.freeze()
    for _ in range(3):  # more often than the job has attempts
        assert answer(process)
    assert history(process, job) == [RELEASED[0], *RELEASED[1:] * 3]
    assert (after(process, job).status, after(process, job).attempt) == (JobStatus.QUEUED, 0)
    server.thaw()
    assert answer(process)
    assert after(process, job).status is JobStatus.SUCCEEDED


def test_a_full_scratch_disk_costs_no_attempt(
    process: WorkerProcess, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_up_soon(process, monkeypatch)

    def full(_folder: Path) -> None:
        raise StorageFull("full")

    with monkeypatch.context() as patch:
        patch.setattr("shared.files.s3.scratch_file", full)
        assert answer(process)
    assert history(process, job) == RELEASED
    assert answer(process)
    assert after(process, job).status is JobStatus.SUCCEEDED


def test_a_stop_ends_a_download(process: WorkerProcess, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(process.drain), "over", property(lambda _: True))
    assert answer(process)
    assert history(process, job) == RELEASED


def test_only_a_recording_that_is_gone_fails_its_job(process: WorkerProcess, job: Job) -> None:
    process.files.delete(job.file_key)
    assert answer(process)
    assert history(process, job)[-1] == ("failed", "file_missing")


def test_a_missing_bucket_is_an_outage(
    process: WorkerProcess, job: Job, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_up_soon(process, monkeypatch)
    process.files.delete(job.file_key)
    server.client().delete_bucket(Bucket=BUCKET)
    assert answer(process)
    assert history(process, job) == RELEASED
    mender = Mender(process.database, process.redis, process.files, 3600)
    with pytest.raises(StorageUnavailable):
        mender.mend()
    assert after(process, job).status is JobStatus.QUEUED


def test_a_damaged_recording_costs_attempts(process: WorkerProcess, job: Job, server: S3Server) -> None:
    server.client().put_object(Bucket=BUCKET, Key=f"of-a-worker/{job.file_key}", Body=b"another")
    assert answer(process)
    assert history(process, job)[-1] == ("requeued", "file_damaged")
    make_due(process, job)
    assert answer(process)
    assert history(process, job)[-1] == ("failed", "attempts_exhausted")
    assert "not the one that was uploaded" in (after(process, job).error_message or "")


def test_a_recording_that_cannot_be_read_is_deleted(
    process: WorkerProcess, submit_file: Callable[..., Job], server: S3Server
) -> None:
    job = submit_file(b"no audio")
    assert answer(process)
    assert history(process, job)[-1] == ("failed", "audio_unreadable")
    assert server.names() == []


@pytest.mark.parametrize("looked_up", [2, 1000])
def test_files_and_jobs_are_mended(
    process: WorkerProcess,
    submit_file: Callable[..., Job],
    monkeypatch: pytest.MonkeyPatch,
    looked_up: int,
) -> None:
    monkeypatch.setattr(worker.mending, "AT_ONCE", 4)
    monkeypatch.setattr(worker.mending, "LOOKED_UP", looked_up)
    jobs = [submit_file(b"a") for _ in range(30)]
    orphans = [put(process.files) for _ in range(9)]
    given_up = process.files.receive(2**30)
    given_up.write(bytes(9 * 2**20))
    process.files.delete(*(job.file_key for job in jobs[:7]))
    young = Mender(process.database, process.redis, process.files, 3600)
    assert young.remove_orphans() == 0, "an upload stores its file before its job has a row"
    mender = Mender(process.database, process.redis, process.files, -60)
    assert mender.remove_orphans() == len(orphans) + 1
    assert mender.fail_without_file() == 7
    assert {job.id for job in jobs if after(process, job).status is JobStatus.FAILED} == {
        job.id for job in jobs[:7]
    }
    assert sorted(process.files.keys()) == sorted(job.file_key for job in jobs[7:])
    assert (mender.remove_orphans(), mender.fail_without_file()) == (0, 0)


def put(files: FileStore) -> str:
    with closing(files.receive(10)) as upload:
        upload.write(b"x")
        return upload.commit().key
