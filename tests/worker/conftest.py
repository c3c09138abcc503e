import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shared.database import Database
from shared.jobs.tables import Job, Priority
from shared.jobs.verbs import submit
from shared.settings import Settings
from tests.speech.sounds import write_model
from worker.process import WorkerProcess


@pytest.fixture
def process(
    tmp_path: Path, database: Database, redis_server: str, store_settings: dict[str, str]
) -> Iterator[WorkerProcess]:
    """A worker process as it is after the fork, with the model that recordings can be played to."""
    write_model(tmp_path / "models" / "loudness", name="loudness")
    settings = Settings(
        data_dir=tmp_path,
        database_url=database.engine.url.render_as_string(hide_password=False),
        redis_url=redis_server,
        models_dir=tmp_path / "models",
        default_model="loudness",
        max_audio_seconds=120,
        max_attempts=2,
        **store_settings,
    )
    process = WorkerProcess.start(settings, threads=1)
    yield process
    process.close()


@pytest.fixture
def submit_file(process: WorkerProcess) -> Callable[..., Job]:
    """Store a file and queue its job, as the API does."""

    def make(content: bytes, **columns: object) -> Job:
        with closing(process.files.receive(2**30)) as upload:
            upload.write(content)
            stored = upload.commit()
        job = Job(
            **{
                "id": uuid.uuid4(),
                "file_name": "a.wav",
                "file_key": stored.key,
                "file_bytes": stored.size,
                "file_sha256": stored.sha256,
                "model": "loudness",
                "transcript": True,
                "waveform": True,
                "max_attempts": process.settings.max_attempts,
                "client": "c",
                "priority": Priority.NORMAL,
            }
            | columns
        )
        with process.database.write() as session:
            submit(session, job)
        return job

    return make
