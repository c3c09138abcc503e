import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from uuid_utils.compat import uuid7

from shared.database import Database
from shared.files import FileStore, FolderStore
from shared.jobs.tables import Job, Priority
from shared.jobs.verbs import submit


def make_job(**columns: object) -> Job:
    """Make a job that is not queued yet. Its file does not exist."""
    return Job(
        **{
            "id": uuid7(),
            "file_name": "a.wav",
            "file_key": uuid.uuid4().hex,
            "file_bytes": 3 * 2**31,
            "file_sha256": "0" * 64,
            "model": "m",
            "transcript": True,
            "waveform": True,
            "max_attempts": 2,
            "client": "c",
            "priority": Priority.NORMAL,
        }
        | columns
    )


def store_file(files: FileStore, job: Job) -> None:
    """Put the file of a job into the store."""
    path = files.path(job.file_key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@pytest.fixture
def files(tmp_path: Path) -> FileStore:
    """An empty store."""
    return FolderStore(tmp_path / "files")


@pytest.fixture
def new_jobs(database: Database) -> Callable[..., list[Job]]:
    """Queue several equal jobs in one transaction."""

    def make(count: int, **columns: object) -> list[Job]:
        jobs = [make_job(**columns) for _ in range(count)]
        with database.write() as session:
            submit(session, *jobs)
        return jobs

    return make


@pytest.fixture
def new_job(new_jobs: Callable[..., list[Job]]) -> Callable[..., Job]:
    """Queue a job."""
    return lambda **columns: new_jobs(1, **columns)[0]
