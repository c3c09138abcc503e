"""GET /v1/jobs/{id}/events and GET /v1/batches/{id}/events."""

import asyncio
import contextlib
import re
import time
import uuid
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import event as sqlalchemy_event
from uuid_utils.compat import uuid7

from api.__main__ import Server
from api.http import long_polls
from api.http.authentication import ANYBODY
from api.services import Services
from shared.clock import now
from shared.database import Database
from shared.jobs import Job, cancel, hand_back, release, save_segments
from shared.jobs.attempts import end_cancelled, succeed
from shared.jobs.tables import Batch
from shared.jobs.verbs import submit as queue
from shared.keys import Scope, create_key
from shared.settings import Settings
from tests.api.front_end import serving, submit
from tests.api.listeners import (
    MEASURED,
    OWNER,
    Listener,
    Steps,
    in_thread,
    listening,
    segment,
    summary,
)
from tests.api.pretend_worker import PretendWorker
from tests.shared.conftest import make_job

pytestmark = pytest.mark.anyio


@pytest.fixture
async def served(settings: Settings) -> AsyncIterator[tuple[Server, httpx.AsyncClient]]:
    async with serving(settings) as server_and_client:
        yield server_and_client


@pytest.fixture
def client(served: tuple[Server, httpx.AsyncClient]) -> httpx.AsyncClient:
    return served[1]


@pytest.fixture
def services(served: tuple[Server, httpx.AsyncClient]) -> Services:
    services: Services = served[0]._app.state.services
    return services


@pytest.fixture
def steps(database: Database, services: Services) -> Steps:
    return Steps(database, services.files)


async def test_a_job_from_its_submission_to_its_end(
    client: httpx.AsyncClient, worker: PretendWorker, steps: Steps
) -> None:
    job_id = await submit(client)
    async with listening(client, job_id) as listener:
        headers = listener.response.headers
        assert headers["content-type"].startswith("text/event-stream")
        assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")
        (submitted,) = await listener.until("status")
        assert (submitted.data["event"], submitted.data["job"]["id"]) == ("submitted", job_id)
        assert submitted.data["job"]["position"] == 0
        await in_thread(steps.claim)
        (claimed, started) = await listener.until("progress")
        assert (claimed.data["event"], claimed.data["status"]) == ("claimed", "running")
        assert started.data == {"id": job_id, "progress": 0.0}
        await in_thread(lambda: steps.save(2))
        saved = await listener.until("progress")
        assert summary(saved) == [0, 1]
        assert saved[0].data["text"] == "शब्द 0"
        assert saved[-1].data["progress"] == 0.2
        await in_thread(lambda: steps.succeed(1))
        assert summary(await listener.rest()) == [2, "succeeded", "end succeeded"]


async def test_an_announced_change_is_heard_at_once(
    client: httpx.AsyncClient, worker: PretendWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_polls, "READ_SECONDS", 60.0)
    job_id = await submit(client)
    async with listening(client, job_id) as listener:
        await listener.until("status")
        await asyncio.sleep(1.2)  # over the look that was due
        began = time.monotonic()
        await in_thread(worker.succeed)
        await listener.until("end")
        assert time.monotonic() - began < 20


async def test_a_listener_resumes_at_every_event_without_gap_or_repeat(
    client: httpx.AsyncClient, steps: Steps
) -> None:
    job_id = await submit(client)
    for step in (steps.claim, lambda: steps.save(3), lambda: steps.step(release), steps.claim):
        await in_thread(step)
    await in_thread(lambda: steps.save(1))
    await in_thread(lambda: steps.step(hand_back, code="worker_error", message="No."))
    async with listening(client, job_id) as listener:
        before = await listener.until("segment")
    with steps.database.write() as session:
        session.get_one(Job, uuid.UUID(job_id)).available_at = now()
    await in_thread(steps.claim)
    await in_thread(lambda: steps.succeed(2))
    async with listening(client, job_id) as listener:
        events = await listener.rest()
    whole = ["submitted", "claimed", "released", "claimed", "requeued", "claimed"]
    whole += [0, 1, 2, 3, 4, 5, "succeeded", "end succeeded"]
    assert summary(events) == whole
    # While it waited for its third attempt, the segments came after fewer transitions.
    async with listening(client, job_id, before[-1].id) as listener:
        assert summary(await listener.rest()) == ["claimed", 1, 2, 3, 4, 5, "succeeded", "end succeeded"]
    for number, event in enumerate(events[:-1]):
        async with listening(client, job_id, event.id) as listener:
            assert summary(await listener.rest()) == summary(events[number + 1 :]), event


async def test_who_has_seen_the_end_is_told_to_stay_away(client: httpx.AsyncClient, steps: Steps) -> None:
    job_id = await submit(client)
    await in_thread(steps.claim)
    await in_thread(lambda: steps.succeed(1))
    async with listening(client, job_id) as listener:
        *_, final, end = await listener.rest()
    async with listening(client, job_id, final.id) as listener:
        assert [event.name for event in await listener.rest()] == ["end"]
    address = f"/v1/jobs/{job_id}/events"
    assert (await client.get(address, headers={"Last-Event-ID": end.id})).status_code == 204
    assert (await client.get(address, params={"last_event_id": end.id})).status_code == 204


@pytest.mark.parametrize("listens_on", [True, False])
async def test_segments_that_were_dropped_come_again_after_a_retry(
    client: httpx.AsyncClient, steps: Steps, listens_on: bool
) -> None:
    """A listener that knew four of the first run's segments gets all of the second run's."""
    job_id = await submit(client)
    await in_thread(steps.claim)
    await in_thread(lambda: steps.save(4))
    async with listening(client, job_id) as listener:
        seen = await listener.until("progress")
        assert summary(seen) == ["submitted", "claimed", 0, 1, 2, 3]
        last = seen[-1].id
        if listens_on:
            await in_thread(steps.fail)
            rest = await listener.rest()
            assert summary(rest) == ["failed", "end failed"]
            last = rest[-1].id
    if not listens_on:
        await in_thread(steps.fail)
    await in_thread(steps.retry)
    await in_thread(steps.claim)
    await in_thread(lambda: steps.save(5))
    await in_thread(steps.succeed)
    async with listening(client, job_id, last) as listener:
        expected = ["retried", "claimed", 0, 1, 2, 3, 4, "succeeded", "end succeeded"]
        assert summary(await listener.rest()) == ([] if listens_on else ["failed"]) + expected


async def test_segments_of_another_version_of_the_model_are_replaced(
    client: httpx.AsyncClient, steps: Steps
) -> None:
    job_id = await submit(client)
    await in_thread(steps.claim)
    await in_thread(lambda: steps.save(3))
    async with listening(client, job_id) as listener:
        assert summary(await listener.until("progress")) == ["submitted", "claimed", 0, 1, 2]
        await in_thread(steps.start_over)
        await in_thread(lambda: steps.save(2))
        await in_thread(steps.succeed)
        assert summary(await listener.rest()) == ["restarted", 0, 1, "succeeded", "end succeeded"]


async def test_segments_that_were_kept_come_again_after_a_retry(
    client: httpx.AsyncClient, steps: Steps
) -> None:
    job_id = await submit(client)
    await in_thread(steps.claim)
    await in_thread(lambda: steps.save(2))
    with steps.database.write() as session:
        cancel(session, steps.job.id)
    await in_thread(lambda: steps.step(release))
    async with listening(client, job_id) as listener:
        events = await listener.rest()
        assert summary(events) == ["submitted", "claimed", 0, 1, "cancelled", "end cancelled"]
    await in_thread(steps.retry)
    await in_thread(steps.claim)
    await in_thread(lambda: steps.succeed(1))
    async with listening(client, job_id, events[-1].id) as listener:
        assert summary(await listener.rest()) == ["retried", "claimed", 0, 1, 2, "succeeded", "end succeeded"]


async def test_a_cancelled_job_ends_with_the_segments_it_had(client: httpx.AsyncClient, steps: Steps) -> None:
    job_id = await submit(client)
    await in_thread(steps.claim)
    await in_thread(lambda: steps.save(2))
    async with listening(client, job_id) as listener:
        await listener.until("progress")
        await in_thread(lambda: steps.step(end_cancelled))
        assert summary(await listener.rest()) == ["cancelled", "end cancelled"]


async def test_more_segments_than_one_read_returns(client: httpx.AsyncClient, steps: Steps) -> None:
    job_id = await submit(client)
    await in_thread(steps.claim)
    made = [segment(number) for number in range(450)]
    with steps.database.write() as session:
        save_segments(session, steps.job.id, made, 0)
    steps.saved = 450
    await in_thread(steps.succeed)
    async with listening(client, job_id) as listener:
        events = summary(await listener.rest())
    assert events == ["submitted", "claimed", *range(450), "succeeded", "end succeeded"]


async def test_an_erased_job_ends_the_stream(client: httpx.AsyncClient, steps: Steps) -> None:
    job_id = await submit(client)
    async with listening(client, job_id) as listener:
        await listener.until("status")
        with steps.database.write() as session:
            session.delete(session.get_one(Job, uuid.UUID(job_id)))
        (erased,) = await listener.rest()
        assert (erased.name, erased.data) == ("erased", {"id": job_id})


@pytest.mark.parametrize("last", ["", "x", "1", "1.2.3", "-1.0", f"{'9' * 40}.0", "١.٢", "1.1.END"])
async def test_a_malformed_id_is_the_beginning(client: httpx.AsyncClient, steps: Steps, last: str) -> None:
    job_id = await submit(client)
    await in_thread(steps.claim)
    await in_thread(lambda: steps.succeed(1))
    url = f"/v1/jobs/{job_id}/events"
    async with client.stream("GET", url, params={"last_event_id": last}) as response:
        assert summary(await Listener(response).rest())[:2] == ["submitted", "claimed"]


async def test_unknown_jobs_and_those_of_others(
    client: httpx.AsyncClient, database: Database, services: Services
) -> None:
    with database.write() as session:
        mine, other = (create_key(session, name, [Scope.SUBMIT, Scope.READ]) for name in ("a", "b"))
        blind = create_key(session, "c", [Scope.SUBMIT], tenant=mine.key.tenant)
        session.add(batch_of(mine.key.tenant))
    own = {"Authorization": f"Bearer {mine.secret}"}
    files = {"file": ("a.wav", b"RIFF")}
    job_id = (await client.post("/v1/jobs", files=files, headers=own)).json()["id"]
    with database.read() as session:
        batch_id = session.query(Batch).one().id
    for what, code in ((f"jobs/{job_id}", "job_not_found"), (f"batches/{batch_id}", "batch_not_found")):
        async with client.stream("GET", f"/v1/{what}/events", headers=own) as response:
            assert response.status_code == 200
        for key, status, expected in ((other, 404, code), (blind, 403, "scope_missing")):
            answer = await client.get(f"/v1/{what}/events", headers={"Authorization": f"Bearer {key.secret}"})
            assert (answer.status_code, answer.json()["code"]) == (status, expected)
    assert ANYBODY.sees is None
    for what, code in (("jobs", "job_not_found"), ("batches", "batch_not_found")):
        answer = await client.get(f"/v1/{what}/{uuid.uuid4()}/events")
        assert (answer.status_code, answer.json()["code"]) == (404, code)


async def test_a_head_request_gets_the_headers_and_no_stream(
    client: httpx.AsyncClient, services: Services
) -> None:
    job_id = await submit(client)
    answer = await client.head(f"/v1/jobs/{job_id}/events")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert services.watcher.waiting == 0


async def test_metrics_count_open_streams_and_not_their_seconds(client: httpx.AsyncClient) -> None:
    job_id = await submit(client)

    async def open_streams() -> float:
        text = (await client.get("/metrics")).text
        assert "/events" not in text
        return float(re.findall(r"^shrutlekh_event_streams (\S+)$", text, re.M)[0])

    assert await open_streams() == 0
    async with listening(client, job_id) as listener:
        await listener.until("status")
        assert await open_streams() == 1
    async with asyncio.timeout(5):
        while await open_streams():
            await asyncio.sleep(0.05)


async def test_heartbeats_while_nothing_happens(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.routes.events.HEARTBEAT_SECONDS", 0.05)
    job_id = await submit(client)
    async with listening(client, job_id) as listener:
        await listener.until("status")
        with pytest.raises(TimeoutError):
            await listener.next(0.5)
        assert listener.comments >= 4


async def test_a_stream_does_not_last_for_ever(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.routes.events.STREAM_SECONDS", 0.3)
    monkeypatch.setattr("api.routes.events.HEARTBEAT_SECONDS", 0.1)
    job_id = await submit(client)
    async with listening(client, job_id) as listener:
        assert summary(await listener.rest()) == ["submitted"]


async def test_streams_end_when_the_service_stops(
    served: tuple[Server, httpx.AsyncClient], client: httpx.AsyncClient
) -> None:
    job_id = await submit(client)
    async with contextlib.AsyncExitStack() as stack:
        listeners = [await stack.enter_async_context(listening(client, job_id)) for _ in range(20)]
        for listener in listeners:
            await listener.until("status")
        began = time.monotonic()
        served[0].should_exit = True
        for listener in listeners:
            assert await listener.rest() == []
        assert time.monotonic() - began < 10


async def test_listeners_that_leave_are_forgotten(client: httpx.AsyncClient, services: Services) -> None:
    job_id = await submit(client)
    before = len(asyncio.all_tasks())

    async def come_and_go() -> None:
        async with listening(client, job_id) as listener:
            await listener.until("status")

    for _ in range(10):
        await asyncio.gather(*(come_and_go() for _ in range(30)))
    async with asyncio.timeout(10):
        while services.watcher.waiting or len(asyncio.all_tasks()) > before + 5:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_idle_listeners_cost_one_query_a_second(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever their number: the database is not asked for each of them, nor for their heartbeats."""
    monkeypatch.setattr("api.routes.events.HEARTBEAT_SECONDS", 0.5)
    ids = [await submit(client, f"{number}.wav") for number in range(3)]
    queries = 0

    def count(*_: object) -> None:
        nonlocal queries
        queries += 1

    async with contextlib.AsyncExitStack() as stack:
        for number in range(90):
            listener = await stack.enter_async_context(listening(client, ids[number % 3]))
            await listener.until("status")
        await asyncio.sleep(1.5)  # over the first look, that wakes everybody
        sqlalchemy_event.listen(services.database.engine, "before_cursor_execute", count)
        await asyncio.sleep(3.0)
        sqlalchemy_event.remove(services.database.engine, "before_cursor_execute", count)
    assert queries <= 2 * 4  # BEGIN and the query


async def test_without_redis(settings: Settings, worker: PretendWorker) -> None:
    away = settings.model_copy(update={"redis_url": "unix:///nowhere/redis.sock"})
    async with serving(away) as (_, client):
        job_id = await submit(client)
        async with listening(client, job_id) as listener:
            await listener.until("status")
            began = time.monotonic()
            await in_thread(lambda: worker.succeed(announced=False))
            assert summary(await listener.rest()) == ["claimed", 0, 1, "succeeded", "end succeeded"]
            assert time.monotonic() - began < 10


def batch_of(tenant: str = "") -> Batch:
    return Batch(
        id=uuid7(), tenant=tenant, created_at=now(), name="b", jobs=3, digest="0" * 64, options={}, skipped=[]
    )


@pytest.fixture
def batch(database: Database) -> uuid.UUID:
    """A batch of three jobs."""
    batch = batch_of()
    with database.write() as session:
        session.add(batch)
    return batch.id


async def test_a_batch(
    client: httpx.AsyncClient, worker: PretendWorker, database: Database, batch: uuid.UUID, steps: Steps
) -> None:
    queue_jobs(database, batch)
    async with listening(client, batch, what="batches") as listener:
        (progress,) = await listener.until("progress")
        assert progress.data["counts"]["queued"] == progress.data["jobs"] == 3
        await in_thread(worker.succeed)
        first = await listener.until("job")
        assert first[-1].data["status"] == "succeeded"
        await in_thread(lambda: worker.fail("model_invalid"))
        second = await listener.until("job")
        assert second[-1].data["status"] == "failed"
        await in_thread(worker.succeed)
        rest = await listener.rest()
        assert [event.name for event in rest][-3:] == ["job", "progress", "end"]
        counts = rest[-1].data["counts"]
        assert (counts["succeeded"], counts["failed"], counts["queued"]) == (2, 1, 0)
    ids = [event.data["id"] for event in (first[-1], second[-1], rest[-3])]
    async with listening(client, batch, first[-1].id, what="batches") as listener:
        again = await listener.rest()
        assert [event.data["id"] for event in again if event.name == "job"] == ids[1:]
    headers = {"Last-Event-ID": rest[-1].id}
    assert (await client.get(f"/v1/batches/{batch}/events", headers=headers)).status_code == 204
    steps.job = database_job(database, ids[1])
    await in_thread(steps.retry)
    async with listening(client, batch, rest[-1].id, what="batches") as listener:
        await listener.until("progress")
        await in_thread(worker.succeed)
        again = await listener.rest()
        assert [event.data["id"] for event in again if event.name == "job"] == [ids[1]]
        assert again[-1].name == "end"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_more_ended_jobs_than_one_read_returns(
    client: httpx.AsyncClient,
    worker: PretendWorker,
    database: Database,
    batch: uuid.UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.jobs.news.JOBS_AT_ONCE", 1)
    queue_jobs(database, batch)
    for _ in range(3):
        worker.succeed()
    async with listening(client, batch, what="batches") as listener:
        events = await listener.rest()
    assert [event.name for event in events] == ["job"] * 3 + ["progress", "end"]
    assert len({event.data["id"] for event in events[:3]}) == 3


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_an_end_that_is_committed_late_is_not_missed(
    client: httpx.AsyncClient, worker: PretendWorker, database: Database, batch: uuid.UUID
) -> None:
    """Of two transactions the one with the lower event id may be committed last."""
    queue_jobs(database, batch)
    late = worker.claim()
    async with listening(client, batch, what="batches") as listener:
        await listener.until("progress")
        with database.write() as session:
            succeed(session, late, owner=OWNER, measured=MEASURED, waveform=None)
            await in_thread(worker.succeed)
            (seen,) = [event for event in await listener.until("job") if event.name == "job"]
        (missed,) = [event for event in await listener.until("job") if event.name == "job"]
        assert missed.data["id"] == str(late.id)
    async with listening(client, batch, missed.id, what="batches") as listener:
        assert [event.name for event in await listener.until("progress")] == ["progress"]
    # A listener that left in between gets what it saw once more.
    async with listening(client, batch, seen.id, what="batches") as listener:
        events = await listener.until("progress")
        assert {event.data["id"] for event in events[:-1]} == {seen.data["id"], missed.data["id"]}


def queue_jobs(database: Database, batch_id: uuid.UUID) -> None:
    with database.write() as session:
        queue(session, *(make_job(batch_id=batch_id, waveform=False) for _ in range(3)))


def database_job(database: Database, job_id: str) -> Job:
    with database.read() as session:
        return session.get_one(Job, uuid.UUID(job_id))
