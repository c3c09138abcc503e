"""Recordings that crash, hang or swell their worker: each fails with a code and harms no other job."""

from pathlib import Path

import pytest

from shared.jobs.tables import JobStatus
from shared.settings import Settings
from tests.speech.sounds import silence, speak, write_model
from tests.worker.jobs import recording
from tests.worker.poisoned import POISONS, PREFIX
from tests.worker.pool import running, wait_until

pytestmark = pytest.mark.stack

# What the trail says of each attempt, and what a person reads at the end.
ENDS = {
    "crash": ({"lease_expired"}, "Its worker fell silent"),
    "be_killed": ({"lease_expired"}, "Its worker fell silent"),
    "loop": ({"attempt_timed_out", "lease_expired"}, ""),
    "hold_the_interpreter": ({"lease_expired"}, "Its worker fell silent"),
    "hoard": ({"memory_exhausted"}, "It needed more memory than a worker may use of 1024 MiB."),
}


def test_poisoned_recordings_among_good_ones(database_url: str, redis_server: str, tmp_path: Path) -> None:
    write_model(tmp_path / "models" / "loudness", name="loudness")
    settings = Settings(
        data_dir=tmp_path / "data",
        database_url=database_url,
        redis_url=redis_server,
        models_dir=tmp_path / "models",
        default_model="loudness",
        lease_seconds=4.0,
        sweep_seconds=0.2,
        attempt_base_seconds=4.0,
        attempt_seconds_per_audio_second=1.0,
        worker_processes=2,
        worker_memory_bytes=2**30,
        heartbeat_seconds=0.5,
    )
    good = recording(speak("नम मन"), silence(0.5), speak("तन"))
    with running(settings, tmp_path) as service:
        service.start("worker.sweeper")
        worker = service.start_worker("tests.worker.poisoned")
        contents = [content for magic in POISONS for content in (good, good, magic, good, good)]
        ids = service.submit(contents, max_attempts=2)
        ends = dict(zip(ids, service.wait_for_ends(ids), strict=True))
        for job_id, content in zip(ids, contents, strict=True):
            job = ends[job_id]
            if content == good:
                assert (job.status, job.attempt) == (JobStatus.SUCCEEDED, 1), service.log()
                continue
            codes, message = ENDS[content.removeprefix(PREFIX).decode().strip()]
            assert (job.status, job.error_code, job.attempt) == (
                JobStatus.FAILED,
                "attempts_exhausted",
                2,
            ), service.log()
            assert job.error_message is not None
            assert message in job.error_message, content
            assert "The job was given up after 2 attempts." in job.error_message
            # It may have waited in a group whose worker another one ended; that does not count.
            trail = [row for row in service.events(job_id) if row[0] != "released"]
            while trail[1][0] == trail[2][0] == "claimed":
                del trail[1]
            assert [event for event, _, _ in trail] == [
                "submitted", "claimed", "requeued", "claimed", "failed",
            ]  # fmt: skip
            assert {trail[2][2]} <= codes, content
        more = service.submit([good] * 4)
        assert {job.status for job in service.wait_for_ends(more)} == {JobStatus.SUCCEEDED}

        # What hung was ended, and its place taken.
        def is_complete() -> bool:
            pool = service.pool_of(worker)
            return len(pool) == settings.worker_processes and pool <= service.warm()

        wait_until(is_complete, service.log)
