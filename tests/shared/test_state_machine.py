"""Property test of the life cycle: Hypothesis' rule-based state machine against an in-memory model."""

import itertools
import uuid
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, select, update

from shared.clock import now
from shared.database import Database
from shared.errors import IllegalTransition
from shared.files import FileStore
from shared.jobs import attempts
from shared.jobs.attempts import claim, fail, hand_back, release, renew, start_over, succeed
from shared.jobs.lifecycle import TRANSITIONS, Event
from shared.jobs.queries import get_job
from shared.jobs.results import Measurements
from shared.jobs.tables import Job, JobEvent, JobStatus, Priority
from shared.jobs.verbs import cancel, erase, retry, submit
from tests.shared.conftest import make_job, store_file

LEASE = timedelta(seconds=600)
NUMBERS = st.integers(0, 99)
HELD = st.sampled_from([True, True, True, False])  # mostly the rightful worker, or random walks get nowhere
JOBS = 4
MEASURED = Measurements(1.0, 16_000, 1, 0.5, {})
RUNNING, QUEUED = JobStatus.RUNNING, JobStatus.QUEUED


@dataclass
class Expected:
    """The model's state of a job."""

    max_attempts: int
    status: JobStatus = QUEUED
    owner: str | None = None
    attempt: int = 0
    cancel_requested: bool = False
    chunks: int = 0
    is_due: bool = True
    lease_ran_out: bool = False

    def leave(self, status: JobStatus) -> None:
        self.status, self.owner, self.lease_ran_out, self.is_due = status, None, False, True


class LifeCycle(RuleBasedStateMachine):
    def __init__(self, database: Database, files: FileStore) -> None:
        super().__init__()
        self.database, self.files = database, files
        self.expected: dict[uuid.UUID, Expected] = {}
        with database.write() as session:
            session.execute(delete(Job))

    @initialize()
    def begin(self) -> None:
        for client in "ab":
            self.submit(client, Priority.NORMAL, 1, 2)

    def pick(self, number: int, *statuses: JobStatus) -> uuid.UUID | None:
        """Draw a job in one of these states."""
        found = [job_id for job_id, job in self.expected.items() if not statuses or job.status in statuses]
        return found[number % len(found)] if found else None

    def read(self, job_id: uuid.UUID) -> Job:
        with self.database.read() as session:
            return get_job(session, job_id)

    def worker_of(self, model: Expected, held: bool) -> str:
        """Draw the holder of the lease, or another worker."""
        return model.owner if held and model.owner else "thief"

    @precondition(lambda self: len(self.expected) < JOBS)
    @rule(
        client=st.sampled_from("ab"),
        priority=st.sampled_from(Priority),
        size=st.integers(0, 9),
        attempts=st.integers(1, 2),
    )
    def another(self, client: str, priority: Priority, size: int, attempts: int) -> None:
        self.submit(client, priority, size, attempts)

    def submit(self, client: str, priority: Priority, size: int, attempts: int) -> None:
        job = make_job(client=client, priority=priority, file_bytes=size, max_attempts=attempts)
        with self.database.write() as session:
            submit(session, job)
        store_file(self.files, job)
        self.expected[job.id] = Expected(max_attempts=attempts)

    @rule(worker=st.sampled_from(["ana", "bela"]))
    def claim(self, worker: str) -> None:
        with self.database.write() as session:
            waiting = session.scalars(select(Job).where(Job.status == QUEUED)).all()
            due = [job for job in waiting if self.expected[job.id].is_due]
            first = min(due, key=lambda job: (job.priority, job.turn, job.id), default=None)
            first_id = first and first.id
            job = claim(session, worker, LEASE)
        assert (job and job.id) == first_id
        if job is not None:
            model = self.expected[job.id]
            model.status, model.owner, model.attempt = RUNNING, worker, model.attempt + 1

    @rule(number=NUMBERS, held=HELD, chunks=st.integers(0, 5))
    def report_progress(self, number: int, held: bool, chunks: int) -> None:
        job_id = self.pick(number)
        if job_id is None:
            return
        model = self.expected[job_id]
        worker = self.worker_of(model, held)
        try:
            with self.database.write() as session:
                go_on = renew(session, job_id, worker, LEASE, chunks / 5, chunks)
        except IllegalTransition:
            assert (model.status, model.owner) != (RUNNING, worker)
        else:
            assert (model.status, model.owner) == (RUNNING, worker)
            assert go_on is not model.cancel_requested
            model.chunks, model.lease_ran_out = chunks, False

    @rule(number=NUMBERS, held=HELD)
    def begin_again(self, number: int, held: bool) -> None:
        """A worker finds segments of another version of its model."""
        job_id = self.pick(number)
        if job_id is None:
            return
        model = self.expected[job_id]
        worker = self.worker_of(model, held)
        try:
            with self.database.write() as session:
                job = get_job(session, job_id)
                start_over(session, job, owner=worker, lease=LEASE, model_version="new")
        except IllegalTransition:
            assert (model.status, model.owner) != (RUNNING, worker)
        else:
            assert (model.status, model.owner) == (RUNNING, worker)
            model.chunks, model.lease_ran_out = 0, False

    @rule(number=NUMBERS, held=HELD, event=st.sampled_from([Event.SUCCEEDED, Event.FAILED]))
    def end(self, number: int, held: bool, event: Event) -> None:
        """A worker ends a job that it may have lost meanwhile."""
        job_id = self.pick(number)
        if job_id is None:
            return
        model = self.expected[job_id]
        worker = self.worker_of(model, held)
        try:
            with self.database.write() as session:
                job = get_job(session, job_id)
                if event is Event.SUCCEEDED:
                    succeed(session, job, owner=worker, measured=MEASURED, waveform=None)
                else:
                    fail(session, self.files, job, owner=worker, code="model_not_found", message="No.")
        except IllegalTransition:
            assert (model.status, model.owner) != (RUNNING, worker)
        else:
            assert (model.status, model.owner) == (RUNNING, worker)
            if event is Event.SUCCEEDED and model.cancel_requested:
                event = Event.CANCELLED
            model.leave(TRANSITIONS[event].target)
            if event is not Event.SUCCEEDED:
                model.chunks = 0

    @rule(number=NUMBERS, held=HELD, how=st.sampled_from(["hand back", "release"]))
    def give_up(self, number: int, held: bool, how: str) -> None:
        job_id = self.pick(number)
        if job_id is None:
            return
        model = self.expected[job_id]
        worker = self.worker_of(model, held)
        try:
            with self.database.write() as session:
                job = get_job(session, job_id)
                if how == "release":
                    release(session, job, owner=worker)
                else:
                    hand_back(session, job, owner=worker, code="worker_error", message="Bang.")
        except IllegalTransition:
            assert (model.status, model.owner) != (RUNNING, worker)
            return
        assert (model.status, model.owner) == (RUNNING, worker)
        if how == "release" and not model.cancel_requested:
            model.attempt -= 1
            model.leave(QUEUED)
        else:
            self.broke_off(model)

    def broke_off(self, model: Expected) -> None:
        if model.cancel_requested:
            model.leave(JobStatus.CANCELLED)
        elif model.attempt < model.max_attempts:
            model.leave(QUEUED)
            model.is_due = False
        else:
            model.leave(JobStatus.FAILED)

    @rule(number=NUMBERS)
    def lease_runs_out(self, number: int) -> None:
        job_id = self.pick(number, RUNNING)
        if job_id is not None:
            with self.database.write() as session:
                past = now() - timedelta(seconds=1)
                session.execute(update(Job).where(Job.id == job_id).values(lease_expires_at=past))
            self.expected[job_id].lease_ran_out = True

    @rule(number=NUMBERS)
    def sweep(self, number: int) -> None:
        job_id = self.pick(number)
        if job_id is None:
            return
        model = self.expected[job_id]
        try:
            with self.database.write() as session:
                job = get_job(session, job_id)
                hand_back(session, job, code="lease_expired", message="Silent.", lease_expired=True)
        except IllegalTransition:
            assert not model.lease_ran_out
        else:
            assert model.lease_ran_out
            self.broke_off(model)

    @rule()
    def pauses_pass(self) -> None:
        with self.database.write() as session:
            session.execute(update(Job).values(available_at=now()))
        for model in self.expected.values():
            model.is_due = True

    @rule(number=NUMBERS)
    def cancel(self, number: int) -> None:
        job_id = self.pick(number, QUEUED, RUNNING)
        if job_id is None:
            return
        model = self.expected[job_id]
        with self.database.write() as session:
            cancel(session, job_id)
        if model.status is QUEUED:
            model.leave(JobStatus.CANCELLED)
        else:
            model.cancel_requested = True

    @rule(number=NUMBERS)
    def retry(self, number: int) -> None:
        job_id = self.pick(number)
        if job_id is None:
            return
        model = self.expected[job_id]
        try:
            with self.database.write() as session:
                retry(session, self.files, job_id, 2)
        except IllegalTransition:
            assert model.status not in (JobStatus.FAILED, JobStatus.CANCELLED)
        else:
            assert model.status in (JobStatus.FAILED, JobStatus.CANCELLED)
            model.leave(QUEUED)
            model.max_attempts, model.cancel_requested = model.attempt + 2, False

    @rule(number=NUMBERS)
    def erase(self, number: int) -> None:
        job_id = self.pick(number, JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED)
        if job_id is not None:
            erase(self.database, self.files, job_id)
            del self.expected[job_id]

    @invariant()
    def the_database_agrees(self) -> None:
        with self.database.read() as session:
            jobs = {job.id: job for job in session.scalars(select(Job))}
        assert jobs.keys() == self.expected.keys()
        for job_id, model in self.expected.items():
            job = jobs[job_id]
            assert (job.status, job.lease_owner, job.attempt, job.max_attempts, job.chunks_done) == (
                model.status,
                model.owner,
                model.attempt,
                model.max_attempts,
                model.chunks,
            )
            assert job.cancel_requested is model.cancel_requested

    @invariant()
    def the_trail_is_whole(self) -> None:
        with self.database.read() as session:
            events = session.scalars(select(JobEvent).order_by(JobEvent.id)).all()
        trails: dict[uuid.UUID, list[JobEvent]] = {}
        for event in events:
            trails.setdefault(event.job_id, []).append(event)
        assert trails.keys() == self.expected.keys()
        for job_id, trail in trails.items():
            assert (trail[0].event, trail[0].from_status) == (Event.SUBMITTED, None)
            for before, event in itertools.pairwise(trail):
                legal = TRANSITIONS[Event(event.event)]
                assert event.from_status == before.to_status
                assert event.from_status in legal.sources
                assert event.to_status == legal.target
            assert trail[-1].to_status == self.expected[job_id].status
            assert sum(event.event == Event.SUCCEEDED for event in trail) <= 1


def test_any_course_of_events_is_a_legal_one(
    database: Database, files: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "BACKOFF_SECONDS", 3600.0)  # only the rule that ends a pause ends it
    run_state_machine_as_test(
        lambda: LifeCycle(database, files),
        settings=settings(
            max_examples=30,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        ),
    )
