"""Queue limit: while the queue is full, submissions get a 429 before their body is read."""

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import anyio
import httpx
import pytest
from sqlalchemy import update

from api.intake.admission import Admission
from api.threads import Threads
from shared.clock import now
from shared.database import Database
from shared.errors import QueueFull
from shared.jobs.tables import Job
from shared.settings import Settings
from tests.api.front_end import AUDIO, running, stored_files, submit
from tests.api.pretend_worker import PretendWorker

pytestmark = pytest.mark.anyio


@pytest.fixture
def narrow(settings: Settings) -> Settings:
    """A service with a queue limit of three jobs."""
    return settings.model_copy(update={"queue_limit": 3})


@pytest.fixture
def _always_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.intake.admission.COUNT_SECONDS", 0)


async def post(client: httpx.AsyncClient, path: str = "/v1/jobs", **headers: str) -> httpx.Response:
    return await client.post(path, files={"file": ("a.wav", AUDIO)}, headers=headers)


@pytest.mark.usefixtures("_always_counted")
@pytest.mark.parametrize("path", ["/v1/jobs", "/transcribe/", "/visualize/"])
async def test_a_full_queue_takes_nothing_until_there_is_room(
    narrow: Settings, worker: PretendWorker, path: str
) -> None:
    async with running(narrow) as (app, client):
        for _ in range(3):
            await submit(client)
        response = await post(client, path)
        assert (response.status_code, response.json()["code"]) == (429, "queue_full")
        assert 1 <= int(response.headers["retry-after"]) <= 300
        assert len(stored_files(app.state.services)) == 3
        await anyio.to_thread.run_sync(worker.succeed)
        assert (await post(client)).status_code == 202


@pytest.mark.usefixtures("_always_counted")
async def test_the_body_is_not_read(narrow: Settings) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    async with running(narrow) as (_, client):
        for _ in range(3):
            await submit(client)
        headers = {"Content-Type": "multipart/form-data; boundary=x", "Expect": "100-continue"}
        response = await client.post("/v1/jobs", content=never(), headers=headers)
    assert response.status_code == 429


@pytest.mark.usefixtures("_always_counted")
async def test_a_repetition_is_answered_all_the_same(narrow: Settings) -> None:
    async with running(narrow) as (_, client):
        first = await post(client, **{"Idempotency-Key": "k"})
        for _ in range(2):
            await submit(client)
        again = await post(client, **{"Idempotency-Key": "k"})
        assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
        assert (await post(client, **{"Idempotency-Key": "new"})).status_code == 429


async def test_no_limit(settings: Settings) -> None:
    async with running(settings.model_copy(update={"queue_limit": 0})) as (_, client):
        for _ in range(5):
            await submit(client)


@pytest.mark.parametrize("count_seconds", [0, 3600])
async def test_one_process_never_passes_the_limit(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, count_seconds: float
) -> None:
    monkeypatch.setattr("api.intake.admission.COUNT_SECONDS", count_seconds)
    async with running(settings.model_copy(update={"queue_limit": 20})) as (app, client):
        answers = await asyncio.gather(*(post(client) for _ in range(60)))
        answers += [await post(client) for _ in range(5)]
        assert len(stored_files(app.state.services)) == 20
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(202), statuses.count(429)) == (20, 45)


async def test_what_is_refused_or_broken_off_gives_its_place_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.intake.admission.COUNT_SECONDS", 3600)
    async with running(settings.model_copy(update={"queue_limit": 2})) as (_, client):
        for _ in range(5):
            bad = await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)}, data={"modle": "x"})
            assert bad.status_code == 422
        for _ in range(2):
            await submit(client)


async def test_the_length_is_asked_for_rarely(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    count = Admission._query

    async def counted(self: Admission) -> object:
        nonlocal asked
        asked += 1
        return await count(self)

    monkeypatch.setattr(Admission, "_query", counted)
    monkeypatch.setattr("api.intake.admission.COUNT_SECONDS", 3600)
    admission = Admission(Threads(single_writer=True), database, 1000)

    async def one() -> None:
        async with admission.place():
            pass

    await asyncio.gather(*(one() for _ in range(200)))
    assert asked == 1


async def test_one_who_gives_up_takes_nobody_along(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    read = database.read

    def slow() -> object:
        assert go.wait(60)
        return read()

    monkeypatch.setattr(database, "read", slow)
    admission = Admission(Threads(single_writer=True), database, 1000)

    async def one() -> bool:
        async with admission.place():
            return True

    first, second = asyncio.create_task(one()), asyncio.create_task(one())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    go.set()
    assert await second


@pytest.mark.parametrize(
    ("finished", "seconds"), [(0, 60), (1, 60), (4, 15), (120, 1)], ids=lambda value: str(value)
)
async def test_when_to_come_again_follows_the_pace(
    narrow: Settings, database: Database, worker: PretendWorker, finished: int, seconds: int
) -> None:
    async with running(narrow.model_copy(update={"queue_limit": 0})) as (_, client):
        await asyncio.gather(*(submit(client) for _ in range(finished + 3)))
    for _ in range(finished):
        await anyio.to_thread.run_sync(worker.succeed)
    with database.write() as session:  # however long that took
        lately = now() + timedelta(hours=1)
        session.execute(update(Job).where(Job.finished_at.is_not(None)).values(finished_at=lately))
    admission = Admission(Threads(single_writer=True), database, 3)
    with pytest.raises(QueueFull) as refusal:
        async with admission.place(uuid.uuid4().hex):
            pass
    assert refusal.value.headers == {"Retry-After": str(seconds)}


async def test_the_wait_is_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.intake.admission.queue_length", lambda _: 100_000)
    monkeypatch.setattr("api.intake.admission.count_finished", lambda *_: 1)
    with pytest.raises(QueueFull) as refusal:
        async with Admission(Threads(single_writer=True), database, 10).place():
            pass
    assert refusal.value.headers == {"Retry-After": "300"}
