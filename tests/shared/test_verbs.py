"""Cancelling, retrying and erasing, by the owner of a job."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from shared.database import Database
from shared.errors import IllegalTransition, JobNotFound, RecordingGone
from shared.files import FileStore
from shared.jobs.attempts import claim, fail, succeed
from shared.jobs.queries import find_job, get_job
from shared.jobs.results import Measurements, Waveform, save_segments
from shared.jobs.selection import Selection
from shared.jobs.tables import Job, JobEvent, JobStatus, SegmentRow, WaveformRow
from shared.jobs.verbs import cancel, cancel_or_erase, erase, erase_finished, retry
from tests.shared.conftest import store_file
from transcript.words import Segment, Word

LEASE = timedelta(seconds=60)
WORKER = "worker-1"
SEGMENT = Segment.from_words((Word("हाँ", 0.12345, 0.5, 0.98765),), avg_logprob=-0.123456)


def claimed(database: Database, job: Job) -> Job:
    """The job, claimed by WORKER."""
    with database.write() as session:
        running = claim(session, WORKER, LEASE)
    assert running is not None
    assert running.id == job.id
    return running


def failed(database: Database, files: FileStore, job: Job, code: str) -> Job:
    """The job, failed."""
    running = claimed(database, job)
    with database.write() as session:
        return fail(session, files, running, owner=WORKER, code=code, message="No.")


def test_a_queued_job_is_cancelled_and_a_running_one_is_asked_to_end(
    database: Database, new_job: Callable[..., Job]
) -> None:
    running, queued = new_job(), new_job()
    claimed(database, running)
    with database.write() as session:
        assert cancel(session, queued.id).status is JobStatus.CANCELLED
        for _ in range(2):
            asked = cancel(session, running.id)
            assert (asked.status, asked.cancel_requested) == (JobStatus.RUNNING, True)
        with pytest.raises(IllegalTransition):
            cancel(session, queued.id)


def test_erasing_takes_everything_along(
    database: Database, files: FileStore, new_job: Callable[..., Job]
) -> None:
    job = claimed(database, new_job())
    store_file(files, job)
    measured = Measurements(1.0, 16_000, 1, 0.4, {"infer": 0.123456})
    with database.write() as session:
        save_segments(session, job.id, [SEGMENT], first=0)
        succeed(session, job, owner=WORKER, measured=measured, waveform=Waveform(b"png", {"data": []}))
    with database.read() as session:
        row = session.scalars(select(SegmentRow)).one()
        assert (row.start_seconds, row.words[0]["confidence"]) == (0.123, 0.9877)
        assert row.avg_logprob == -0.1235
        assert get_job(session, job.id).stage_seconds == {"infer": 0.1235}
    erase(database, files, job.id)
    with database.read() as session:
        for table in (Job, JobEvent, SegmentRow, WaveformRow):
            assert session.scalar(select(func.count()).select_from(table)) == 0
        with pytest.raises(JobNotFound):
            get_job(session, job.id)
    assert list(files.keys()) == []


def test_a_job_that_has_not_ended_is_not_erased(
    database: Database, files: FileStore, new_job: Callable[..., Job]
) -> None:
    job = new_job()
    store_file(files, job)

    def refuses() -> None:
        with pytest.raises(IllegalTransition):
            erase(database, files, job.id)
        assert erase_finished(database, files, Selection(), at_most=9) == 0

    refuses()
    claimed(database, job)
    refuses()
    assert list(files.keys()) == [job.file_key]


def test_cancel_or_erase_does_what_the_state_asks_for(
    database: Database, files: FileStore, new_job: Callable[..., Job]
) -> None:
    job = new_job()
    cancelled = cancel_or_erase(database, files, job.id)
    assert cancelled is not None
    assert cancelled.status is JobStatus.CANCELLED
    assert cancel_or_erase(database, files, job.id) is None
    with pytest.raises(JobNotFound):
        cancel_or_erase(database, files, job.id)


@pytest.mark.parametrize(("code", "is_kept"), [("audio_unreadable", False), ("model_not_found", True)])
def test_a_recording_that_can_never_be_read_is_not_kept(
    database: Database, files: FileStore, new_job: Callable[..., Job], code: str, is_kept: bool
) -> None:
    job = new_job()
    store_file(files, job)
    failed(database, files, job, code)
    assert list(files.keys()) == ([job.file_key] if is_kept else [])
    with database.write() as session:
        if is_kept:
            assert retry(session, files, job.id, 2).status is JobStatus.QUEUED
        else:
            with pytest.raises(RecordingGone):
                retry(session, files, job.id, 2)


def test_only_the_selected_jobs_are_erased_the_oldest_first(
    database: Database, files: FileStore, new_job: Callable[..., Job]
) -> None:
    first, second = [failed(database, files, new_job(), "x") for _ in range(2)]
    other = failed(database, files, new_job(client="d"), "x")
    newest = failed(database, files, new_job(), "y")
    selection = Selection(statuses=(JobStatus.FAILED,), codes=("x",), client="c", before=newest.finished_at)
    assert erase_finished(database, files, selection, at_most=1) == 1
    with database.read() as session:
        assert find_job(session, first.id) is None
        assert find_job(session, second.id) is not None
    assert erase_finished(database, files, selection, at_most=9) == 1
    with database.read() as session:
        assert {job.id for job in session.scalars(select(Job))} == {other.id, newest.id}
