from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from shared.clock import now
from shared.database import Database
from shared.errors import IllegalTransition
from shared.files import FileStore
from shared.jobs.attempts import claim
from shared.jobs.lifecycle import Event, transition
from shared.jobs.queries import get_job
from shared.jobs.tables import Job, JobEvent, JobStatus
from shared.jobs.verbs import retry
from tests.shared.conftest import store_file

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
            claimed = claim(session, WORKER, LEASE)
            assert claimed is not None
            assert claimed.id == job.id
        job = get_job(session, job.id)
        for event in path[status]:
            job = transition(session, job, event, owner=WORKER, **needed(event))
    return job


def needed(event: Event) -> dict[str, object]:
    if event is Event.FAILED:
        return {"error_code": "model_not_found", "error_message": "No."}
    if event is Event.SUCCEEDED:
        return {"audio_seconds": 1.0}
    if event in (Event.CLAIMED, Event.RESTARTED):
        return {"lease_owner": WORKER, "lease_expires_at": now() + LEASE}
    return {}


def events_of(database: Database, job: Job) -> list[tuple[str, str | None, str, int]]:
    with database.read() as session:
        rows = session.scalars(select(JobEvent).where(JobEvent.job_id == job.id).order_by(JobEvent.id))
        return [(row.event, row.from_status, row.to_status, row.attempt) for row in rows]


Q, R, S, F, C = JobStatus

# Every event in every state, spelt out: what is not here must be refused.
LEGAL = {
    (Q, Event.CLAIMED): R,
    (Q, Event.FAILED): F,
    (Q, Event.CANCELLED): C,
    (R, Event.REQUEUED): Q,
    (R, Event.RELEASED): Q,
    (R, Event.RESTARTED): R,
    (R, Event.SUCCEEDED): S,
    (R, Event.FAILED): F,
    (R, Event.CANCELLED): C,
    (F, Event.RETRIED): Q,
    (C, Event.RETRIED): Q,
}


@pytest.mark.parametrize("event", [event for event in Event if event is not Event.SUBMITTED])
@pytest.mark.parametrize("status", JobStatus)
def test_every_event_in_every_state(
    database: Database, new_job: Callable[..., Job], status: JobStatus, event: Event
) -> None:
    job = put_into(database, new_job(), status)
    before = events_of(database, job)
    target = LEGAL.get((status, event))
    if target is not None:
        with database.write() as session:
            after = transition(session, job, event, **needed(event))
        assert after.status is target
        assert (after.finished_at is not None) == target.is_final
        assert (after.error_code is not None) == (target is F)
        assert events_of(database, job) == [*before, (event, status, target, after.attempt)]
    else:
        with pytest.raises(IllegalTransition), database.write() as session:
            transition(session, job, event, **needed(event))
        assert events_of(database, job) == before
        with database.read() as session:
            assert get_job(session, job.id).status is status


@pytest.mark.parametrize("status", JobStatus)
def test_a_job_is_submitted_once(database: Database, new_job: Callable[..., Job], status: JobStatus) -> None:
    job = put_into(database, new_job(), status)
    before = events_of(database, job)
    with pytest.raises(IntegrityError):
        new_job(id=job.id)
    assert events_of(database, job) == before


@pytest.mark.parametrize("status", [F, C])
def test_a_retried_job_has_all_its_attempts_again(
    database: Database, files: FileStore, new_job: Callable[..., Job], status: JobStatus
) -> None:
    job = put_into(database, new_job(max_attempts=1), status)
    store_file(files, job)
    with database.write() as session:
        job = retry(session, files, job.id, 3)
    assert (job.status, job.attempt, job.max_attempts, job.cancel_requested) == (Q, 1, 4, False)
    with database.write() as session:
        claimed = claim(session, WORKER, LEASE)
    assert claimed is not None
    assert claimed.attempt == 2


def test_a_stale_job_object_decides_nothing(database: Database, new_job: Callable[..., Job]) -> None:
    queued = new_job()
    put_into(database, queued, JobStatus.RUNNING)
    with pytest.raises(IllegalTransition), database.write() as session:
        transition(session, queued, Event.CANCELLED)
    assert [event for event, *_ in events_of(database, queued)] == ["submitted", "claimed"]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"status": JobStatus.RUNNING}, id="running without a lease"),
        pytest.param({"lease_owner": "x", "lease_expires_at": now()}, id="a lease while queued"),
        pytest.param({"status": JobStatus.SUCCEEDED, "audio_seconds": 1.0}, id="succeeded without its end"),
        pytest.param({"status": JobStatus.FAILED, "finished_at": now()}, id="failed without a reason"),
        pytest.param({"status": JobStatus.SUCCEEDED, "finished_at": now()}, id="succeeded without a length"),
        pytest.param({"error_code": "x", "error_message": "y"}, id="a reason without a failure"),
        pytest.param({"progress": 1.5}, id="progress above 1"),
        pytest.param({"attempt": 9}, id="more attempts than allowed"),
        pytest.param({"transcript": False, "waveform": False}, id="nothing to do"),
    ],
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
