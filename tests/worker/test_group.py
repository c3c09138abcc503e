"""Short jobs that a process claims together."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import update

from shared.clock import now
from shared.draining import begin
from shared.jobs import JobStatus, claim_group, hand_back
from shared.jobs.attempts import GROUPED_AT_MOST, SHORT_BYTES
from shared.jobs.tables import Job
from shared.jobs.verbs import cancel
from shared.queue import JobQueue, make_celery
from tests.speech.sounds import silence, speak
from tests.worker.jobs import after, history, recording
from worker.picture import paint
from worker.process import WorkerProcess
from worker.sweeper import Sweeper
from worker.transcribe import answer

LEASE = timedelta(seconds=60)
PAINT = "worker.transcribe.paint"
CLIP = recording(speak("नम मन"), silence(0.2))


@pytest.fixture
def clips(submit_file: Callable[..., Job]) -> list[Job]:
    """Jobs in the order of the queue, more than fill a group."""
    return [submit_file(CLIP) for _ in range(2 * GROUPED_AT_MOST)]


@pytest.fixture
def sweeper(process: WorkerProcess) -> Iterator[Sweeper]:
    queue = JobQueue(make_celery(process.settings))
    yield Sweeper(process.database, process.redis, queue)
    queue.close()


def claimed(process: WorkerProcess, workers: int = 1, owner: str = "w") -> list[Job]:
    with process.database.write() as session:
        return claim_group(session, owner, LEASE, workers)


def expire(process: WorkerProcess, owner: str = "w") -> None:
    with process.database.write() as session:
        past = now() - timedelta(seconds=1)
        session.execute(update(Job).where(Job.lease_owner == owner).values(lease_expires_at=past))


def test_half_a_share_of_the_queue_in_its_order(process: WorkerProcess, clips: list[Job]) -> None:
    ids = [job.id for job in clips]
    assert [job.id for job in claimed(process)] == ids[:8]  # of 16
    assert [job.id for job in claimed(process)] == ids[8:12]  # of 8
    assert [job.id for job in claimed(process)] == ids[12:14]
    assert [job.id for job in claimed(process)] == ids[14:15]
    assert [job.id for job in claimed(process)] == ids[15:]
    assert claimed(process) == []


def test_never_more_than_a_group_however_long_the_queue(
    process: WorkerProcess, clips: list[Job], submit_file: Callable[..., Job]
) -> None:
    for _ in range(GROUPED_AT_MOST):
        submit_file(CLIP)
    assert len(claimed(process)) == GROUPED_AT_MOST


@pytest.mark.parametrize(("workers", "sizes"), [(2, [4, 3, 2, 1]), (5, [1, 1, 1]), (100, [1, 1])])
def test_other_workers_get_their_share(
    process: WorkerProcess, clips: list[Job], workers: int, sizes: list[int]
) -> None:
    assert len(clips) == 16
    assert [len(claimed(process, workers)) for _ in sizes] == sizes


def test_a_long_recording_is_claimed_alone(process: WorkerProcess, submit_file: Callable[..., Job]) -> None:
    long = recording(np.concatenate([speak("नम मन"), silence(0.1 + SHORT_BYTES / 32_000)]))
    jobs = [submit_file(content) for content in (CLIP, CLIP, long, *[CLIP] * 20)]
    assert [job.id for job in claimed(process)] == [job.id for job in jobs[:2]]
    assert [job.id for job in claimed(process)] == [jobs[2].id]
    assert [job.id for job in claimed(process)] == [job.id for job in jobs[3:11]]


def test_a_job_that_was_tried_before_is_claimed_alone(process: WorkerProcess, clips: list[Job]) -> None:
    group = claimed(process)
    with process.database.write() as session:
        hand_back(session, group[0], owner="w", code="worker_error", message="…")
        session.execute(update(Job).where(Job.id == group[0].id).values(available_at=now()))
    assert [job.id for job in claimed(process)] == [clips[0].id]


def test_all_of_a_group_succeed(process: WorkerProcess, clips: list[Job]) -> None:
    assert answer(process)
    for job in clips[:8]:
        assert after(process, job).status is JobStatus.SUCCEEDED
        assert [event for event, _ in history(process, job)] == ["submitted", "claimed", "succeeded"]
    assert {after(process, job).status for job in clips[8:]} == {JobStatus.QUEUED}


def test_one_that_fails_leaves_the_others_alone(
    process: WorkerProcess, submit_file: Callable[..., Job]
) -> None:
    jobs = [submit_file(content) for content in (CLIP, b"no audio", CLIP, CLIP)]
    while answer(process):
        pass
    statuses = [after(process, job).status for job in jobs]
    assert statuses == [JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.SUCCEEDED, JobStatus.SUCCEEDED]


def test_one_that_waits_can_be_cancelled(
    process: WorkerProcess, clips: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its client asks while the worker is at the first of the group."""
    first, second = clips[0], clips[1]

    def ask(*arguments: object) -> object:
        monkeypatch.setattr(PAINT, paint)
        with process.database.write() as session:
            assert cancel(session, second.id).status is JobStatus.RUNNING
        return paint(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(PAINT, ask)
    assert answer(process)
    assert after(process, first).status is JobStatus.SUCCEEDED
    assert after(process, second).status is JobStatus.CANCELLED
    assert history(process, second)[-1] == ("cancelled", None)
    assert after(process, clips[2]).status is JobStatus.SUCCEEDED


def test_when_a_worker_dies_only_the_job_it_was_at_has_been_tried(
    process: WorkerProcess, clips: list[Job], sweeper: Sweeper
) -> None:
    group = claimed(process)
    expire(process)
    assert sweeper.take_back_expired() == len(group)
    assert history(process, group[0])[-1] == ("requeued", "lease_expired")
    assert after(process, group[0]).attempt == 1
    for job in group[1:]:
        assert history(process, job)[-1] == ("released", None)
        assert (after(process, job).attempt, after(process, job).status) == (0, JobStatus.QUEUED)
    assert [job.id for job in claimed(process)] == [job.id for job in group[1:]]


def test_a_group_is_worked_on_to_its_end_in_a_drain(
    process: WorkerProcess, clips: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    def drain(*arguments: object) -> object:
        begin(process.database)
        return paint(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(PAINT, drain)
    assert answer(process)
    assert {after(process, job).status for job in clips[:8]} == {JobStatus.SUCCEEDED}
    assert not answer(process)
    assert {after(process, job).status for job in clips[8:]} == {JobStatus.QUEUED}


def test_leases_of_those_that_wait_are_renewed(
    process: WorkerProcess, clips: list[Job], sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first job takes longer than a lease; a sweeper looks all the time."""
    hasty = replace(process, settings=process.settings.model_copy(update={"lease_seconds": 1.0}))
    paints = 0

    def slow(*arguments: object) -> object:
        nonlocal paints
        paints += 1
        time.sleep(0.4)
        assert sweeper.take_back_expired() == 0
        return paint(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(PAINT, slow)
    assert answer(hasty)
    assert paints == 8
    for job in clips[:8]:
        assert [event for event, _ in history(process, job)] == ["submitted", "claimed", "succeeded"]
