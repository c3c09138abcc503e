import uuid
from collections.abc import Callable

import pytest

from shared.database import Database
from shared.lifecycle import submit
from shared.tables import Job


@pytest.fixture
def new_job(database: Database) -> Callable[..., Job]:
    """Queue a job whose file is only said to be there."""

    def make(**columns: object) -> Job:
        job = Job(
            **{
                "id": uuid.uuid4(),
                "file_name": "a.wav",
                "file_key": uuid.uuid4().hex,
                "file_bytes": 3 * 2**31,
                "file_sha256": "0" * 64,
                "model": "m",
                "transcript": True,
                "waveform": True,
                "max_attempts": 2,
            }
            | columns
        )
        with database.write() as session:
            submit(session, job)
        return job

    return make
