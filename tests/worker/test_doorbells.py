"""How few messages workers need."""

from pathlib import Path

import pytest

from shared.jobs.tables import JobStatus
from shared.queue import QUEUE
from shared.settings import Settings
from tests.speech.sounds import silence, speak, write_model
from tests.worker.jobs import recording
from tests.worker.pool import running

pytestmark = pytest.mark.stack
CLIP = recording(speak("नम मन"), silence(0.5))


def test_one_message_is_enough_and_a_worker_that_starts_needs_none(
    database_url: str, redis_server: str, tmp_path: Path
) -> None:
    """No sweeper runs that could ring."""
    write_model(tmp_path / "models" / "loudness", name="loudness")
    settings = Settings(
        data_dir=tmp_path / "data",
        database_url=database_url,
        redis_url=redis_server,
        models_dir=tmp_path / "models",
        default_model="loudness",
        worker_processes=1,
    )
    with running(settings, tmp_path) as service:
        before = service.submit([CLIP] * 12)
        service.redis.delete(QUEUE)
        service.start_worker()
        assert {job.status for job in service.wait_for_ends(before)} == {JobStatus.SUCCEEDED}
        after = service.submit([CLIP], rings=False) + service.submit([CLIP])
        assert {job.status for job in service.wait_for_ends(after)} == {JobStatus.SUCCEEDED}
