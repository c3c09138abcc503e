"""Batches in the database, SQLite and Postgres: counts, settling, cancelling, erasing, query plans."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError
from uuid_utils.compat import uuid7

from shared.clock import now
from shared.database import Database
from shared.errors import BatchNotFound, InvalidRequest
from shared.files import FileStore
from shared.jobs import (
    Batch,
    Job,
    JobStatus,
    Selection,
    batch_with_key,
    cancel_or_erase_batch,
    claim,
    counts_by_status,
    erase,
    erase_empty_batches,
    fail,
    get_batch,
    get_job,
    is_batch_key_taken,
    jobs_of_batch,
    page_of_batches,
    page_of_jobs,
    progress_of,
    renew,
    retry,
    settle_batches,
    submit_batch,
)
from tests.shared.conftest import make_job, store_file

OWNER = "w"
LEASE = timedelta(seconds=60)

NewBatch = Callable[..., Batch]


def make_batch(jobs: int, **columns: object) -> Batch:
    """Make a batch that is not stored yet."""
    return Batch(**{"id": uuid7(), "name": "", "jobs": jobs, "digest": "0" * 64, "skipped": []} | columns)


@pytest.fixture
def new_batch(database: Database) -> NewBatch:
    """Submit a batch of jobs of 100 bytes each."""

    def make(jobs: int = 3, **columns: object) -> Batch:
        batch = make_batch(jobs, **columns)
        with database.write() as session:
            submit_batch(session, batch, (make_job(file_bytes=100) for _ in range(jobs)))
        return batch

    return make


def end_next(database: Database, files: FileStore) -> Job:
    """Let the next job fail."""
    with database.write() as session:
        job = claim(session, OWNER, LEASE)
        assert job is not None
        return fail(session, files, job, code="model_invalid", message="m", owner=OWNER)


def settle(database: Database) -> list[uuid.UUID]:
    with database.write() as session:
        return [batch.id for batch in settle_batches(session, 10)]


def stored(database: Database, batch_id: uuid.UUID) -> Batch:
    with database.read() as session:
        return get_batch(session, batch_id)


def test_the_jobs_of_a_batch_are_queued_in_order_with_its_tenant(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.jobs.batches.AT_ONCE", 3)
    batch = make_batch(10, tenant="t")
    jobs = [make_job() for _ in range(10)]
    with database.write() as session:
        ids = submit_batch(session, batch, iter(jobs))
    assert ids == [job.id for job in jobs]
    with database.read() as session:
        first = jobs_of_batch(session, batch.id, limit=4)
        rest = jobs_of_batch(session, batch.id, limit=10, after=first[-1])
        claimed = [job.id for job in sorted([*first, *rest], key=lambda job: job.turn)]
    assert [job.id for job in [*first, *rest]] == claimed == ids
    assert {(job.batch_id, job.tenant, job.status) for job in first} == {(batch.id, "t", JobStatus.QUEUED)}


def test_nothing_is_stored_if_one_job_is_not(database: Database) -> None:
    twins = [make_job(file_key="same"), make_job(file_key="same")]
    with pytest.raises(IntegrityError), database.write() as session:
        submit_batch(session, make_batch(2), twins)
    with database.read() as session:
        assert page_of_batches(session, None, limit=5).batches == []
        assert page_of_jobs(session, Selection(), limit=5).jobs == []


def test_a_key_belongs_to_one_batch_of_a_tenant(database: Database, new_batch: NewBatch) -> None:
    batch = new_batch(1, tenant="t", idempotency_key="k")
    new_batch(1, tenant="u", idempotency_key="k")
    with pytest.raises(IntegrityError) as taken:
        new_batch(1, tenant="t", idempotency_key="k")
    assert is_batch_key_taken(taken.value)
    with database.read() as session:
        found = batch_with_key(session, "t", "k")
        assert found is not None
        assert found.id == batch.id
        assert batch_with_key(session, "t", "other") is None


def test_a_batch_is_seen_by_its_tenant_alone(database: Database, new_batch: NewBatch) -> None:
    batch = new_batch(1, tenant="t")
    with database.read() as session:
        assert get_batch(session, batch.id, "t").id == get_batch(session, batch.id).id == batch.id
        for tenant in ("u", ""):
            with pytest.raises(BatchNotFound):
                get_batch(session, batch.id, tenant)
        with pytest.raises(BatchNotFound):
            get_batch(session, uuid7())


def test_pages_are_newest_first_and_of_one_tenant(database: Database, new_batch: NewBatch) -> None:
    mine = [new_batch(1, tenant="t").id for _ in range(5)]
    new_batch(1, tenant="u")
    seen, cursor = [], None
    while True:
        with database.read() as session:
            page = page_of_batches(session, "t", cursor=cursor, limit=2)
        seen += [batch.id for batch in page.batches]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == mine[::-1]
    with database.read() as session:
        assert len(page_of_batches(session, None, limit=10).batches) == 6
        with pytest.raises(InvalidRequest):
            page_of_batches(session, "t", limit=2, cursor="nonsense")


def test_progress_counts_bytes(database: Database, files: FileStore, new_batch: NewBatch) -> None:
    batch, other = new_batch(4), new_batch(2)
    with database.read() as session:
        before = progress_of(session, batch.id)[batch.id]
    assert (before.fraction, before.seconds_left, before.started_at, before.last_end) == (0, None, None, None)
    end_next(database, files)
    with database.write() as session:
        job = claim(session, OWNER, LEASE)
        assert job is not None
        renew(session, job.id, OWNER, LEASE, 0.5, 0)
    with database.read() as session:
        both = progress_of(session, batch.id, other.id)
    one = both[batch.id]
    assert one.jobs == {
        JobStatus.QUEUED: 2,
        JobStatus.RUNNING: 1,
        JobStatus.FAILED: 1,
        JobStatus.SUCCEEDED: 0,
        JobStatus.CANCELLED: 0,
    }
    assert one.fraction == pytest.approx(150 / 400)
    assert one.started_at is not None
    assert one.seconds_left == pytest.approx((one.at - one.started_at).total_seconds() * 250 / 50)
    assert both[other.id].jobs[JobStatus.QUEUED] == 2


def test_a_batch_is_settled_once_when_its_last_job_ended(
    database: Database, files: FileStore, new_batch: NewBatch
) -> None:
    batch = new_batch(2)
    assert settle(database) == []
    end_next(database, files)
    assert settle(database) == []
    last = end_next(database, files)
    assert settle(database) == [batch.id]
    assert settle(database) == []
    assert stored(database, batch.id).finished_at == last.finished_at
    with database.read() as session:
        assert progress_of(session, batch.id)[batch.id].last_end == last.finished_at


def test_a_retry_opens_the_batch_again(database: Database, files: FileStore, new_batch: NewBatch) -> None:
    batch = new_batch(1)
    job = end_next(database, files)
    assert settle(database) == [batch.id]
    store_file(files, job)
    with database.write() as session:
        retry(session, files, job.id, 3)
    assert stored(database, batch.id).finished_at is None
    assert settle(database) == []
    end_next(database, files)
    assert settle(database) == [batch.id]


def test_settlers_and_a_retry_at_once(database: Database, files: FileStore, new_batch: NewBatch) -> None:
    """Each finish is told to one settler; a batch with an unfinished job is never left settled."""
    for _ in range(10):
        batch = new_batch(1)
        job = end_next(database, files)
        store_file(files, job)
        told: list[uuid.UUID] = []
        barrier = threading.Barrier(3)

        def settling(told: list[uuid.UUID] = told, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            told += settle(database)

        def retrying(job: Job = job, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            with database.write() as session:
                retry(session, files, job.id, 3)

        threads = [threading.Thread(target=work) for work in (settling, settling, retrying)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(told) <= 1
        assert stored(database, batch.id).finished_at is None
        end_next(database, files)
        assert settle(database) == [batch.id]


def test_cancelling_ends_what_waits_and_asks_what_runs(
    database: Database, files: FileStore, new_batch: NewBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.jobs.batches.AT_ONCE", 2)
    batch, other = new_batch(7), new_batch(2)
    with database.write() as session:
        running = claim(session, OWNER, LEASE)
    assert running is not None
    assert cancel_or_erase_batch(database, files, batch.id) is not None
    with database.read() as session:
        counts = counts_by_status(session, Selection(batch_id=batch.id))
        assert (counts[JobStatus.CANCELLED], counts[JobStatus.RUNNING]) == (6, 1)
        assert get_job(session, running.id).cancel_requested
        assert counts_by_status(session, Selection(batch_id=other.id))[JobStatus.QUEUED] == 2


def test_erasing_leaves_nothing(database: Database, files: FileStore, new_batch: NewBatch) -> None:
    batch, other = new_batch(2), new_batch(1)
    jobs = [end_next(database, files) for _ in range(2)]
    for job in jobs:
        store_file(files, job)
    assert cancel_or_erase_batch(database, files, batch.id) is None
    with pytest.raises(BatchNotFound):
        stored(database, batch.id)
    assert list(files.keys()) == []
    with database.read() as session:
        assert [job.batch_id for job in page_of_jobs(session, Selection(), limit=5).jobs] == [other.id]


def test_another_tenant_cannot_cancel(database: Database, files: FileStore, new_batch: NewBatch) -> None:
    batch = new_batch(1, tenant="t")
    with pytest.raises(BatchNotFound):
        cancel_or_erase_batch(database, files, batch.id, "u")
    with database.read() as session:
        assert progress_of(session, batch.id)[batch.id].jobs[JobStatus.QUEUED] == 1


def test_a_batch_goes_with_its_last_job(database: Database, files: FileStore, new_batch: NewBatch) -> None:
    batch, kept = new_batch(1), new_batch(1)
    job = end_next(database, files)
    with database.write() as session:
        assert erase_empty_batches(session, 10) == 0
    erase(database, files, job.id)
    assert settle(database) == [batch.id]  # its jobs are no longer there to tell when it ended
    finished_at = stored(database, batch.id).finished_at
    assert finished_at is not None
    assert now() - finished_at < timedelta(minutes=1)
    with database.write() as session:
        assert erase_empty_batches(session, 10) == 1
    with pytest.raises(BatchNotFound):
        stored(database, batch.id)
    assert stored(database, kept.id).jobs == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_queries_of_batches_use_their_indexes(
    database: Database, files: FileStore, new_batch: NewBatch
) -> None:
    batch = new_batch(2, tenant="t")
    statements: list[tuple[str, object]] = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def _record(_connection: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            statements.append((statement, parameters))

    with database.write() as session:
        progress_of(session, batch.id)
        page_of_batches(session, "t", limit=5)
        page_of_batches(session, None, limit=5)
        page_of_jobs(session, Selection(batch_id=batch.id), limit=5)
        jobs_of_batch(session, batch.id, limit=5)
        counts_by_status(session, Selection(batch_id=batch.id))
        settle_batches(session, 5)
        batch_with_key(session, "t", "k")
    cancel_or_erase_batch(database, files, batch.id)
    cancel_or_erase_batch(database, files, batch.id)
    event.remove(database.engine, "before_cursor_execute", _record)
    with database.read() as session:
        for statement, parameters in statements:
            plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps = [str(row[-1]) for row in plan]
            assert not {"SCAN jobs", "SCAN batches"} & set(steps), (statement, steps)
            # Jobs that are cancelled or erased are sorted, 500 at a time. Pages and counts are not.
            if not statement.startswith("UPDATE") and "finished_at IS NOT NULL" not in statement:
                assert not any("B-TREE" in step for step in steps), (statement, steps)
            of_jobs = [step for step in steps if " jobs USING " in step]
            assert all("batch_id=" in step or "(id=" in step for step in of_jobs), (statement, steps)
    assert len(statements) > 15
