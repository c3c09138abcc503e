from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from shared.clock import now
from shared.database import Database
from shared.errors import IllegalTransition
from shared.jobs import get_job
from shared.lifecycle import TRANSITIONS, Event, claim_next, hand_back, renew, transition
from shared.tables import Job, JobEvent, JobStatus

LEASE = timedelta(seconds=60)
WORKER = "worker-1"


def put_into(database: Database, job: Job, status: JobStatus) -> Job:
    """Bring a queued job into a state by legal transitions only."""
    path: dict[JobStatus, list[Event]] = {
        JobStatus.QUEUED: [],
        JobStatus.RUNNING: [],
        JobStatus.SUCCEEDED: [Event.SUCCEEDED],
        JobStatus.FAILED: [Event.FAILED],
        JobStatus.CANCELLED: [Event.CANCELLED],
    }
    with database.write() as session:
        if status is not JobStatus.QUEUED:
            claimed = claim_next(session, WORKER, LEASE)
            assert claimed is not None
            assert claimed.id == job.id
        job = get_job(session, job.id)
        for event in path[status]:
            job = transition(session, job, event, owner=WORKER, **needed(event))
    return job


def needed(event: Event) -> dict[str, object]:
    if event is Event.FAILED:
        return {"error_code": "audio_unreadable", "error_message": "No."}
    if event is Event.SUCCEEDED:
        return {"audio_seconds": 1.0}
    if event is Event.CLAIMED:
        return {"lease_owner": WORKER, "lease_expires_at": now() + LEASE}
    return {}


def events_of(database: Database, job: Job) -> list[tuple[str, str | None, str, int]]:
    with database.read() as session:
        rows = session.scalars(select(JobEvent).where(JobEvent.job_id == job.id).order_by(JobEvent.id))
        return [(row.event, row.from_status, row.to_status, row.attempt) for row in rows]


@pytest.mark.parametrize("event", TRANSITIONS)
@pytest.mark.parametrize("status", JobStatus)
def test_every_event_in_every_state(
    database: Database, new_job: Callable[..., Job], status: JobStatus, event: Event
) -> None:
    job = put_into(database, new_job(), status)
    before = events_of(database, job)
    rule = TRANSITIONS[event]
    if status in rule.sources:
        with database.write() as session:
            after = transition(session, job, event, **needed(event))
        assert after.status is rule.target
        assert (after.finished_at is not None) == rule.target.is_final
        assert events_of(database, job) == [*before, (event, status, rule.target, after.attempt)]
    else:
        with pytest.raises(IllegalTransition), database.write() as session:
            transition(session, job, event, **needed(event))
        assert events_of(database, job) == before
        with database.read() as session:
            assert get_job(session, job.id).status is status


def test_a_job_goes_to_one_worker_only_and_the_oldest_first(
    database: Database, new_job: Callable[..., Job]
) -> None:
    first, second = new_job(), new_job()
    claimed = []
    for worker in ("a", "b", "c"):
        with database.write() as session:
            claimed.append(claim_next(session, worker, LEASE))
    assert [job and (job.id, job.lease_owner, job.attempt) for job in claimed] == [
        (first.id, "a", 1),
        (second.id, "b", 1),
        None,
    ]


def test_many_workers_at_once_claim_each_job_once(
    database: Database, database_url: str, new_job: Callable[..., Job]
) -> None:
    jobs = {new_job().id for _ in range(40)}

    def work(worker: int) -> list[object]:
        own, claimed = Database(database_url), []
        while True:
            with own.write() as session:
                job = claim_next(session, f"worker-{worker}", LEASE)
            if job is None:
                own.close()
                return claimed
            claimed.append(job.id)

    with ThreadPoolExecutor(8) as pool:
        claimed = [job for claims in pool.map(work, range(8)) for job in claims]
    assert len(claimed) == len(jobs)
    assert set(claimed) == jobs


def test_a_stale_job_object_decides_nothing(database: Database, new_job: Callable[..., Job]) -> None:
    queued = new_job()
    put_into(database, queued, JobStatus.RUNNING)
    with pytest.raises(IllegalTransition), database.write() as session:
        transition(session, queued, Event.CANCELLED)
    assert [event for event, *_ in events_of(database, queued)] == ["submitted", "claimed"]


def test_only_the_holder_of_the_lease_ends_the_job(database: Database, new_job: Callable[..., Job]) -> None:
    job = put_into(database, new_job(), JobStatus.RUNNING)
    with pytest.raises(IllegalTransition), database.write() as session:
        transition(session, job, Event.SUCCEEDED, owner="somebody else", audio_seconds=1.0)
    with pytest.raises(IllegalTransition), database.write() as session:
        renew(session, job.id, "somebody else", LEASE, 0.5)


def test_renewing_reports_progress_and_hears_of_a_cancel(
    database: Database, new_job: Callable[..., Job]
) -> None:
    job = put_into(database, new_job(), JobStatus.RUNNING)
    with database.write() as session:
        assert renew(session, job.id, WORKER, LEASE, 0.5)
        session.execute(update(Job).where(Job.id == job.id).values(cancel_requested=True))
    with database.write() as session:
        assert not renew(session, job.id, WORKER, LEASE, 7.0)
    with database.read() as session:
        assert get_job(session, job.id).progress == 1.0


def test_an_attempt_that_broke_off_is_tried_again_then_given_up(
    database: Database, new_job: Callable[..., Job]
) -> None:
    job = put_into(database, new_job(max_attempts=2), JobStatus.RUNNING)
    with database.write() as session:
        job = hand_back(session, job, code="worker_error", message="Bang.", owner=WORKER)
        assert job.status is JobStatus.QUEUED
        assert job.available_at > now()  # with a pause
        assert claim_next(session, WORKER, LEASE) is None
        session.execute(update(Job).where(Job.id == job.id).values(available_at=now()))
    with database.write() as session:
        again = claim_next(session, WORKER, LEASE)
        assert again is not None
        assert again.attempt == 2
        job = hand_back(session, again, code="worker_error", message="Bang.", owner=WORKER)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "attempts_exhausted")
    assert job.error_message is not None
    assert "Bang." in job.error_message


def test_a_sweeper_cannot_take_a_lease_that_was_renewed(
    database: Database, new_job: Callable[..., Job]
) -> None:
    job = put_into(database, new_job(), JobStatus.RUNNING)
    with pytest.raises(IllegalTransition), database.write() as session:
        hand_back(session, job, code="lease_expired", message="Silent.", lease_expired=True)
    with database.write() as session:
        renew(session, job.id, WORKER, timedelta(seconds=-1), 0.0)
    with database.write() as session:
        job = hand_back(session, job, code="lease_expired", message="Silent.", lease_expired=True)
    assert job.status is JobStatus.QUEUED


def test_a_broken_off_attempt_of_a_cancelled_job_ends_it(
    database: Database, new_job: Callable[..., Job]
) -> None:
    job = put_into(database, new_job(), JobStatus.RUNNING)
    with database.write() as session:
        session.execute(update(Job).where(Job.id == job.id).values(cancel_requested=True))
    with database.write() as session:
        job = hand_back(session, get_job(session, job.id), code="worker_error", message="Bang.", owner=WORKER)
    assert job.status is JobStatus.CANCELLED


@pytest.mark.parametrize(
    "values",
    [
        {"status": JobStatus.RUNNING},  # without a lease
        {"lease_owner": "x", "lease_expires_at": now()},  # a lease while queued
        {"status": JobStatus.SUCCEEDED, "audio_seconds": 1.0},  # without its end
        {"status": JobStatus.FAILED, "finished_at": now()},  # without a reason
        {"status": JobStatus.SUCCEEDED, "finished_at": now()},  # without a length
        {"error_code": "x", "error_message": "y"},  # a reason without a failure
        {"progress": 1.5},
        {"attempt": 9},
        {"transcript": False, "waveform": False},
    ],
    ids=str,
)
def test_the_database_itself_refuses_broken_jobs(
    database: Database, new_job: Callable[..., Job], values: dict[str, object]
) -> None:
    job = new_job()
    with pytest.raises(IntegrityError), database.write() as session:
        session.execute(update(Job).where(Job.id == job.id).values(values))


def test_the_database_holds_one_success_for_a_job(database: Database, new_job: Callable[..., Job]) -> None:
    job = put_into(database, new_job(), JobStatus.SUCCEEDED)
    with pytest.raises(IntegrityError), database.write() as session:
        session.add(
            JobEvent(
                job_id=job.id,
                at=now(),
                event="succeeded",
                from_status="running",
                to_status="succeeded",
                attempt=1,
            )
        )
