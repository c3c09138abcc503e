"""The outbox of webhooks, their signatures, and the log of deliveries."""

import base64
import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from shrutlekh_contract.deliveries import DeliveryStatus
from sqlalchemy import func, select, update
from standardwebhooks import Webhook, WebhookVerificationError

from shared.clock import now
from shared.database import Database
from shared.errors import DeliveryNotFound
from shared.files import FileStore
from shared.jobs import Job, cancel, claim, fail, hand_back, retry
from shared.jobs.attempts import end_cancelled, release, succeed
from shared.jobs.results import Measurements
from shared.webhooks import (
    MOST_TRIES,
    OVERLAP,
    PAUSES,
    Claimed,
    Delivery,
    DeliverySelection,
    DeliveryTry,
    Outcome,
    SigningSecret,
    claim_due,
    count_pending,
    deliver_again,
    enqueue_batch,
    enqueue_job,
    erase_old,
    give_back,
    headers_of,
    hosts_due,
    page_of_deliveries,
    record,
    rotate_secret,
    signing_secret,
    valid_secrets,
)
from tests.shared.conftest import store_file
from tests.worker.jobs import at_once

URL = "https://example.org/hook"
LEASE = timedelta(seconds=60)
HOOK = {"options": {"webhook_url": URL}}
NewJob = Callable[..., Job]


def put(database: Database, count: int = 1, *, url: str = URL, tenant: str = "t") -> None:
    with database.write() as session:
        for _ in range(count):
            enqueue_job(session, job_id=uuid.uuid4(), tenant=tenant, url=url, status="succeeded")


def take(
    database: Database, owner: str = "me", host: str = "example.org", at_most: int = 100
) -> list[Claimed]:
    with database.write() as session:
        return claim_due(session, owner, LEASE, {host: at_most})


def tell(database: Database, webhook: Claimed, **outcome: object) -> DeliveryStatus | None:
    with database.write() as session:
        return record(session, webhook.id, "me", Outcome(now(), 0.5, **outcome))


def delivery(database: Database) -> Delivery:
    with database.read() as session:
        return session.scalars(select(Delivery)).one()


def make_due(database: Database) -> None:
    with database.write() as session:
        session.execute(update(Delivery).values(due_at=now()))


def bodies(database: Database) -> list[dict]:
    with database.read() as session:
        return [json.loads(body) for body in session.scalars(select(Delivery.body).order_by(Delivery.id))]


@pytest.mark.parametrize("end", ["succeeded", "failed", "given up", "cancelled", "cancelled while it waits"])
def test_every_end_of_a_job_puts_a_webhook_into_the_outbox(
    database: Database, new_job: NewJob, files: FileStore, end: str
) -> None:
    job = new_job(**HOOK, tenant="t", max_attempts=1)
    with database.write() as session:
        if end == "cancelled while it waits":
            cancel(session, job.id)
        else:
            job = claim(session, "me", LEASE) or job
            if end == "succeeded":
                succeed(session, job, owner="me", measured=Measurements(1, 16000, 1, 1, {}), waveform=None)
            elif end == "failed":
                fail(session, files, job, code="model_invalid", message="No.", owner="me")
            elif end == "given up":
                hand_back(session, job, code="worker_error", message="No.", owner="me")
            else:
                cancel(session, job.id)
                end_cancelled(session, job, owner="me")
    status = {"given up": "failed", "cancelled while it waits": "cancelled"}.get(end, end)
    (body,) = bodies(database)
    assert body["type"] == f"job.{status}"
    assert body["data"] == {"id": str(job.id), "status": status}
    assert datetime.fromisoformat(body["timestamp"]).tzinfo == UTC
    made = delivery(database)
    assert (made.tenant, made.job_id, made.url, made.host) == ("t", job.id, URL, "example.org")


def test_no_end_no_webhook_and_none_without_a_url(
    database: Database, new_job: NewJob, files: FileStore
) -> None:
    new_job(**HOOK)
    with database.write() as session:
        job = claim(session, "me", LEASE)
        assert job is not None
        release(session, job, owner="me")
    other = new_job()
    with database.write() as session:
        cancel(session, other.id)
    assert bodies(database) == []


def test_a_transition_that_is_rolled_back_sends_nothing(database: Database, new_job: NewJob) -> None:
    job = new_job(**HOOK)
    with pytest.raises(ZeroDivisionError), database.write() as session:
        cancel(session, job.id)
        _ = 1 / 0
    assert bodies(database) == []


def test_each_end_of_a_job_that_is_retried_has_its_webhook(
    database: Database, new_job: NewJob, files: FileStore
) -> None:
    job = new_job(**HOOK)
    store_file(files, job)
    for _ in range(2):
        with database.write() as session:
            cancel(session, job.id)
        with database.write() as session:
            retry(session, files, job.id, 2)
    assert len(bodies(database)) == 2


def test_a_batch(database: Database) -> None:
    batch_id = uuid.uuid4()
    with database.write() as session:
        enqueue_batch(session, batch_id=batch_id, tenant="t", url=URL)
    (body,) = bodies(database)
    assert (body["type"], body["data"]) == ("batch.finished", {"id": str(batch_id), "status": "finished"})
    assert delivery(database).batch_id == batch_id


def test_a_claimed_delivery_is_nobody_elses_until_its_lease_ends(database: Database) -> None:
    put(database, 3)
    first = take(database, at_most=2)
    assert len(first) == 2
    second = take(database, "other")
    assert len(second) == 1
    assert not {one.id for one in first} & {one.id for one in second}
    with database.write() as session:
        session.execute(update(Delivery).where(Delivery.lease_owner == "me").values(due_at=now()))
    again = take(database, "other")
    assert {one.id for one in again} == {one.id for one in first}
    assert tell(database, first[0], status=204) is None, "it is another's now"
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(DeliveryTry)) == 0


def test_receivers_take_turns(database: Database) -> None:
    put(database, 5)
    put(database, url="https://Other.example.org:8443/x")
    with database.read() as session:
        assert hosts_due(session, [], 10) == ["example.org", "other.example.org:8443"]
        assert hosts_due(session, ["example.org"], 10) == ["other.example.org:8443"]
        assert hosts_due(session, [], 1) == ["example.org"]
    take(database)
    with database.read() as session:
        assert hosts_due(session, [], 10) == ["other.example.org:8443"]


def test_a_stopped_courier_gives_back_what_it_claimed(database: Database) -> None:
    put(database, 2)
    claimed = take(database)
    with database.write() as session:
        give_back(session, "me", [one.id for one in claimed[:1]])
        give_back(session, "other", [one.id for one in claimed[1:]])
    assert [one.id for one in take(database, "other")] == [claimed[0].id]


@pytest.mark.parametrize("status", [200, 202, 204, 299])
def test_delivered(database: Database, status: int) -> None:
    put(database)
    (webhook,) = take(database)
    assert tell(database, webhook, status=status) is DeliveryStatus.DELIVERED
    assert take(database) == []
    made = delivery(database)
    assert made.finished_at is not None
    with database.read() as session:
        (made_try,) = session.scalars(select(DeliveryTry))
        assert (made_try.status, made_try.error, made_try.seconds) == (status, None, 0.5)
        assert count_pending(session) == 0


def test_ten_tries_with_growing_pauses(database: Database) -> None:
    put(database)
    for number in range(MOST_TRIES):
        make_due(database)
        (webhook,) = take(database)
        assert webhook.body == delivery(database).body
        before = now()
        status = tell(database, webhook, error="timed out")
        if number < len(PAUSES):
            assert status is DeliveryStatus.PENDING
            pause = (delivery(database).due_at - before).total_seconds()
            assert 0.8 * PAUSES[number] <= pause <= 1.2 * PAUSES[number] + 1
        else:
            assert status is DeliveryStatus.GIVEN_UP
    assert number == 9
    with database.read() as session:
        page = page_of_deliveries(session, DeliverySelection(), limit=5)
        assert len(page.tries[page.deliveries[0].id]) == 10


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 429, 500, 503])
def test_every_other_status_is_tried_again(database: Database, status: int) -> None:
    put(database)
    assert tell(database, take(database)[0], status=status) is DeliveryStatus.PENDING


def test_gone_ends_it(database: Database) -> None:
    put(database)
    assert tell(database, take(database)[0], status=410) is DeliveryStatus.GIVEN_UP


@pytest.mark.parametrize(("asked", "least", "most"), [(100.0, 99, 101), (0.0, 4, 6), (1e9, 43_199, 43_201)])
def test_retry_after_within_bounds(database: Database, asked: float, least: float, most: float) -> None:
    put(database)
    tell(database, take(database)[0], status=503, retry_after=asked)
    pause = (delivery(database).due_at - now()).total_seconds()
    assert least - 1 <= pause <= most


def test_deliver_again_begins_anew_and_keeps_id_body_and_log(database: Database) -> None:
    put(database)
    (webhook,) = take(database)
    tell(database, webhook, status=410)
    with database.write() as session, pytest.raises(DeliveryNotFound):
        deliver_again(session, webhook.id, "other")
    with database.write() as session:
        deliver_again(session, webhook.id, "t")
    (again,) = take(database)
    assert (again.id, again.body) == (webhook.id, webhook.body)
    assert delivery(database).tries_left == MOST_TRIES
    tell(database, again, status=200)
    with database.read() as session:
        page = page_of_deliveries(session, DeliverySelection(tenant="t"), limit=5)
        assert [one.status for one in page.tries[webhook.id]] == [410, 200]


def test_pages_of_the_log(database: Database) -> None:
    put(database, 5)
    put(database, 1, tenant="other")
    seen: list[uuid.UUID] = []
    cursor = None
    with database.read() as session:
        for _ in range(3):
            page = page_of_deliveries(session, DeliverySelection(tenant="t"), limit=2, cursor=cursor)
            seen += [one.id for one in page.deliveries]
            cursor = page.next_cursor
    assert cursor is None
    assert len(set(seen)) == 5
    assert seen == sorted(seen, reverse=True)


def test_old_entries_are_erased_and_pending_ones_are_not(database: Database) -> None:
    put(database, 3)
    first, second, _ = take(database)
    tell(database, first, status=200)
    tell(database, second, status=200)
    with database.write() as session:
        assert erase_old(session, now() - timedelta(days=1), 100) == 0
        assert erase_old(session, now() + timedelta(days=1), 100) == 2
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(DeliveryTry)) == 0
        assert count_pending(session) == 1


def test_the_signature_is_that_of_standard_webhooks(database: Database) -> None:
    put(database)
    (webhook,) = take(database)
    (secret,) = webhook.secrets
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    headers = headers_of("msg_1", int(now().timestamp()), webhook.body, webhook.secrets)
    assert Webhook(secret).verify(webhook.body, headers) == json.loads(webhook.body)
    for changed in (
        (webhook.body.replace(b"succeeded", b"cancelled"), headers),
        (webhook.body, headers | {"webhook-id": "msg_2"}),
        (webhook.body, headers | {"webhook-timestamp": str(int(now().timestamp()) - 1)}),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(*changed)


def test_secrets_of_tenants_and_their_rotation(database: Database) -> None:
    with database.write() as session:
        first = signing_secret(session, "t").secret
    with database.write() as session:
        assert signing_secret(session, "t").secret == first
        assert signing_secret(session, "other").secret != first
        second = rotate_secret(session, "t").secret
        assert second != first
        assert valid_secrets(session, "t") == [second, first]
        body = b"{}"
        headers = headers_of("msg_1", int(now().timestamp()), body, valid_secrets(session, "t"))
        for secret in (first, second):
            assert Webhook(secret).verify(body, headers) == {}
        session.execute(
            update(SigningSecret)
            .where(SigningSecret.tenant == "t")
            .values(previous_until=SigningSecret.created_at)
        )
        assert valid_secrets(session, "t") == [second]
        assert timedelta(hours=24) == OVERLAP


def test_two_processes_make_one_secret(database: Database) -> None:
    def make() -> str:
        with database.write() as session:
            return signing_secret(session, "t").secret

    assert len(set(at_once([make] * 4))) == 1
