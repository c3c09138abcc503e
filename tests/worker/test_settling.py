"""Batches are settled once all of their jobs have ended, each with one webhook."""

import uuid
from pathlib import Path

from shrutlekh_contract.options import SubmissionOptions
from sqlalchemy import select
from uuid_utils.compat import uuid7

from shared.database import Database
from shared.files import FolderStore
from shared.jobs import Batch, Job, cancel, get_batch, retry, submit_batch
from shared.webhooks import Delivery
from tests.shared.conftest import make_job, store_file
from worker.settling import Settler

URL = "https://example.org/hook"


def make_batch(database: Database, jobs: int, webhook_url: str | None = URL, tenant: str = "t") -> uuid.UUID:
    batch = Batch(
        id=uuid7(),
        tenant=tenant,
        name="",
        jobs=jobs,
        digest="0" * 64,
        skipped=[],
        options=SubmissionOptions(webhook_url=webhook_url).json(),
    )
    with database.write() as session:
        submit_batch(session, batch, [make_job(tenant=tenant) for _ in range(jobs)])
    return batch.id


def deliveries(database: Database) -> list[Delivery]:
    with database.read() as session:
        return list(session.scalars(select(Delivery)))


def test_a_batch_is_settled_once_with_one_webhook(database: Database) -> None:
    settler = Settler(database)
    batch_id = make_batch(database, 2)
    other = make_batch(database, 1, webhook_url=None)
    with database.write() as session:
        jobs = session.scalars(select(Job).where(Job.batch_id == batch_id)).all()
        cancel(session, jobs[0].id)
    assert settler.settle_finished() == 0
    assert deliveries(database) == []
    with database.write() as session:
        cancel(session, jobs[1].id)
    assert settler.settle_finished() == 1
    assert settler.settle_finished() == 0
    (delivery,) = deliveries(database)
    assert (delivery.batch_id, delivery.url, delivery.tenant) == (batch_id, URL, "t")
    assert b'"type":"batch.finished"' in delivery.body
    with database.read() as session:
        assert get_batch(session, batch_id).finished_at is not None
        assert get_batch(session, other).finished_at is None


def test_a_batch_that_is_opened_again_is_settled_again(database: Database, tmp_path: Path) -> None:
    settler, files = Settler(database), FolderStore(tmp_path)
    batch_id = make_batch(database, 1)
    with database.write() as session:
        job = session.scalars(select(Job).where(Job.batch_id == batch_id)).one()
        cancel(session, job.id)
    assert settler.settle_finished() == 1
    store_file(files, job)
    with database.write() as session:
        retry(session, files, job.id, attempts=1)
    assert settler.settle_finished() == 0
    with database.write() as session:
        cancel(session, job.id)
    assert settler.settle_finished() == 1
    assert len(deliveries(database)) == 2
