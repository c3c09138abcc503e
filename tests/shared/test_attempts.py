from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from shared.clock import now
from shared.database import Database
from shared.errors import IllegalTransition
from shared.jobs.attempts import claim, claim_group, hand_back, release, renew, start_over
from shared.jobs.lifecycle import Event, transition
from shared.jobs.queries import count_segments, due_jobs, get_job, models_in_queue
from shared.jobs.tables import Job, JobStatus, Priority, SegmentRow

LEASE = timedelta(seconds=60)
WORKER = "worker-1"


def claimed(database: Database, job: Job) -> Job:
    """Claim a job as WORKER."""
    with database.write() as session:
        running = claim(session, WORKER, LEASE)
    assert running is not None
    assert running.id == job.id
    return running


def test_a_job_goes_to_one_worker_only_and_the_oldest_first(
    database: Database, new_job: Callable[..., Job]
) -> None:
    first, second = new_job(), new_job()
    claims = []
    for worker in ("a", "b", "c"):
        with database.write() as session:
            claims.append(claim(session, worker, LEASE))
    assert [job and (job.id, job.lease_owner, job.attempt) for job in claims] == [
        (first.id, "a", 1),
        (second.id, "b", 1),
        None,
    ]


def test_a_pinned_worker_claims_jobs_of_its_models_only_in_the_order_of_the_queue(
    database: Database, new_job: Callable[..., Job]
) -> None:
    names = ("a", "b", "c", "b", "a")
    jobs = [new_job(model=name, client=str(number)) for number, name in enumerate(names)]
    new_job(model="a", priority=Priority.HIGH)
    with database.write() as session:
        assert claim(session, WORKER, LEASE, ["absent"]) is None
        claims = [claim(session, WORKER, LEASE, ["c", "b"]) for _ in range(4)]
    assert [job and job.id for job in claims] == [jobs[1].id, jobs[2].id, jobs[3].id, None]
    with database.write() as session:
        assert models_in_queue(session) == ["a"]
        assert len(due_jobs(session, 9, ["a", "b"])) == 3
        assert due_jobs(session, 9, ["b"]) == []
        while claim(session, WORKER, LEASE, ["a"]):
            pass
        assert models_in_queue(session) == []


def test_jobs_of_a_group_of_a_pinned_worker_are_of_one_model(
    database: Database, new_job: Callable[..., Job]
) -> None:
    for number in range(32):
        new_job(model="ab"[number % 2], client=str(number), file_bytes=1)
    with database.write() as session:
        group = claim_group(session, WORKER, LEASE, 1, ["a", "b"])
    assert len(group) > 1
    assert {job.model for job in group} == {"a"}


def test_many_workers_at_once_claim_each_job_once(
    database: Database, database_url: str, new_job: Callable[..., Job]
) -> None:
    jobs = {new_job().id for _ in range(40)}

    def work(worker: int) -> list[object]:
        own, claims = Database(database_url), []
        while True:
            with own.write() as session:
                job = claim(session, f"worker-{worker}", LEASE)
            if job is None:
                own.close()
                return claims
            claims.append(job.id)

    with ThreadPoolExecutor(8) as pool:
        all_claims = [job for claims in pool.map(work, range(8)) for job in claims]
    assert len(all_claims) == len(jobs)
    assert set(all_claims) == jobs


def test_only_the_holder_of_the_lease_ends_the_job(database: Database, new_job: Callable[..., Job]) -> None:
    job = claimed(database, new_job())
    with pytest.raises(IllegalTransition), database.write() as session:
        transition(session, job, Event.SUCCEEDED, owner="somebody else", audio_seconds=1.0)
    with pytest.raises(IllegalTransition), database.write() as session:
        renew(session, job.id, "somebody else", LEASE, 0.5, 1)


def test_renewing_reports_progress_and_hears_of_a_cancel(
    database: Database, new_job: Callable[..., Job]
) -> None:
    job = claimed(database, new_job())
    with database.write() as session:
        assert renew(session, job.id, WORKER, LEASE, 0.5, 1)
        session.execute(update(Job).where(Job.id == job.id).values(cancel_requested=True))
    with database.write() as session:
        assert not renew(session, job.id, WORKER, LEASE, 7.0, 2)
    with database.read() as session:
        assert get_job(session, job.id).progress == 1.0


def test_an_attempt_begins_again_without_the_segments_of_another_version(
    database: Database, new_job: Callable[..., Job]
) -> None:
    job = claimed(database, new_job())
    row = {"job_id": job.id, "position": 0, "start_seconds": 0.0, "end_seconds": 1.0, "text": "", "words": []}
    with database.write() as session:
        session.execute(insert(SegmentRow).values(row))
        renew(session, job.id, WORKER, LEASE, 0.5, 1, "old")
    with pytest.raises(IllegalTransition), database.write() as session:
        start_over(session, job, owner="somebody else", lease=LEASE, model_version="new")
    with database.write() as session:
        after = start_over(session, job, owner=WORKER, lease=LEASE, model_version="new")
    assert (after.status, after.attempt, after.lease_owner) == (JobStatus.RUNNING, 1, WORKER)
    assert (after.chunks_done, after.model_version, after.progress) == (0, "new", 0.5)
    with database.read() as session:
        assert count_segments(session, job.id) == 0


def test_an_attempt_that_broke_off_is_tried_again_then_given_up(
    database: Database, new_job: Callable[..., Job]
) -> None:
    job = claimed(database, new_job(max_attempts=2))
    with database.write() as session:
        job = hand_back(session, job, code="worker_error", message="Bang.", owner=WORKER)
        assert job.status is JobStatus.QUEUED
        assert job.available_at > now()  # with a pause
        assert claim(session, WORKER, LEASE) is None
        session.execute(update(Job).where(Job.id == job.id).values(available_at=now()))
    with database.write() as session:
        again = claim(session, WORKER, LEASE)
        assert again is not None
        assert again.attempt == 2
        job = hand_back(session, again, code="worker_error", message="Bang.", owner=WORKER)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "attempts_exhausted")
    assert job.error_message is not None
    assert "Bang." in job.error_message


def test_a_sweeper_cannot_take_a_lease_that_was_renewed(
    database: Database, new_job: Callable[..., Job]
) -> None:
    job = claimed(database, new_job())
    with pytest.raises(IllegalTransition), database.write() as session:
        hand_back(session, job, code="lease_expired", message="Silent.", lease_expired=True)
    with database.write() as session:
        renew(session, job.id, WORKER, timedelta(seconds=-1), 0.0, 0)
    with database.write() as session:
        job = hand_back(session, job, code="lease_expired", message="Silent.", lease_expired=True)
    assert job.status is JobStatus.QUEUED


def test_a_broken_off_attempt_of_a_cancelled_job_ends_it(
    database: Database, new_job: Callable[..., Job]
) -> None:
    job = claimed(database, new_job())
    with database.write() as session:
        session.execute(update(Job).where(Job.id == job.id).values(cancel_requested=True))
    with database.write() as session:
        job = hand_back(session, get_job(session, job.id), code="worker_error", message="Bang.", owner=WORKER)
    assert job.status is JobStatus.CANCELLED


def test_a_released_attempt_does_not_count_and_keeps_what_it_did(
    database: Database, new_job: Callable[..., Job]
) -> None:
    job = claimed(database, new_job(max_attempts=1))
    for _ in range(3):
        with database.write() as session:
            renew(session, job.id, WORKER, LEASE, 0.5, 4)
            session.execute(insert(SegmentRow).values(segment(job, count_segments(session, job.id))))
        with database.write() as session:
            job = release(session, job, owner=WORKER)
        assert (job.status, job.attempt, job.progress, job.chunks_done) == (JobStatus.QUEUED, 0, 0.5, 4)
        job = claimed(database, job)
    with database.read() as session:
        assert count_segments(session, job.id) == 3


def test_only_its_holder_releases_a_job(database: Database, new_job: Callable[..., Job]) -> None:
    job = claimed(database, new_job())
    with pytest.raises(IllegalTransition), database.write() as session:
        release(session, job, owner="somebody else")


def test_a_released_job_that_shall_be_cancelled_is(database: Database, new_job: Callable[..., Job]) -> None:
    job = claimed(database, new_job())
    with database.write() as session:
        session.execute(update(Job).where(Job.id == job.id).values(cancel_requested=True))
    with database.write() as session:
        assert release(session, get_job(session, job.id), owner=WORKER).status is JobStatus.CANCELLED


def segment(job: Job, position: int) -> dict[str, object]:
    return {
        "job_id": job.id,
        "position": position,
        "start_seconds": 0.0,
        "end_seconds": 1.0,
        "text": "हाँ",
        "words": [],
    }
