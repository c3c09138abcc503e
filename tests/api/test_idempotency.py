"""Idempotency-Key: one submission, one job, however often it is sent."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from redis import Redis
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.intake import insertion
from api.services import Services
from shared.database import Database
from shared.errors import DatabaseUnavailable
from shared.jobs.tables import Job, JobEvent
from shared.presence import beat
from shared.queue import QUEUE
from shared.settings import Settings
from tests.api.front_end import AUDIO, running, stored_files
from tests.api.pretend_worker import PretendWorker

pytestmark = pytest.mark.anyio

KEY = "a-key-of-my-own"


async def send(
    client: httpx.AsyncClient, /, key: str = KEY, audio: bytes = AUDIO, **form: str
) -> httpx.Response:
    headers = {"Idempotency-Key": key}
    return await client.post("/v1/jobs", files={"file": ("a.wav", audio)}, data=form, headers=headers)


def count(database: Database, table: type) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


async def test_a_repetition_gets_the_first_ones_job(
    client: httpx.AsyncClient, services: Services, database: Database, worker: PretendWorker
) -> None:
    first = await send(client)
    assert "idempotent-replayed" not in first.headers
    again = await send(client)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
    assert again.headers["location"] == first.headers["location"]
    assert again.json() == first.json()
    worker.succeed()
    late = await send(client)
    assert (late.status_code, late.json()["id"]) == (202, first.json()["id"])
    assert (late.json()["status"], late.json()["position"]) == ("succeeded", None)
    assert (count(database, Job), len(stored_files(services))) == (1, 1)


@pytest.mark.parametrize(
    "other",
    [{"audio": AUDIO + b"!"}, {"waveform": "false"}, {"priority": "high"}, {"channels": "each"}],
    ids=["recording", "option", "priority", "channels"],
)
async def test_the_key_of_something_else_is_a_conflict(
    client: httpx.AsyncClient, services: Services, database: Database, other: dict
) -> None:
    first = await send(client)
    response = await send(client, **other)
    assert (response.status_code, response.json()["code"]) == (409, "idempotency_conflict")
    assert response.json()["job"] == first.headers["location"]
    assert (count(database, Job), len(stored_files(services))) == (1, 1)


async def test_who_repeats_may_call_file_and_himself_otherwise(client: httpx.AsyncClient) -> None:
    first = await send(client)
    again = await client.post(
        "/v1/jobs",
        files={"file": ("b.wav", AUDIO)},
        data={"client": "another"},
        headers={"Idempotency-Key": KEY},
    )
    assert again.json() == first.json()


async def test_other_keys_and_none_are_other_jobs(client: httpx.AsyncClient, database: Database) -> None:
    await send(client, "1")
    await send(client, "2")
    for _ in range(2):
        await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)})
    assert count(database, Job) == 4


@pytest.mark.parametrize("key", ["", "with space", "x" * 256, "tab\t", "कुंजी".encode(), b"\xff"])
async def test_keys_that_are_none_are_refused(
    client: httpx.AsyncClient, services: Services, key: str | bytes
) -> None:
    headers = {b"Idempotency-Key": key if isinstance(key, bytes) else key.encode()}
    response = await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)}, headers=headers)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert response.json()["errors"][0]["field"].lower() == "idempotency-key"
    assert stored_files(services) == []


async def test_the_longest_key(client: httpx.AsyncClient) -> None:
    key = "~!" * 127 + "x"
    assert (await send(client, key)).json()["id"] == (await send(client, key)).json()["id"]


async def test_fifty_at_once_are_one(
    client: httpx.AsyncClient, services: Services, database: Database
) -> None:
    answers = await asyncio.gather(*(send(client) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert (count(database, Job), count(database, JobEvent), len(stored_files(services))) == (1, 1, 1)


async def test_fifty_at_once_through_two_processes_are_one(settings: Settings, database: Database) -> None:
    async with running(settings) as (app, one), running(settings) as (_, other):
        for _ in range(5):
            key = uuid.uuid4().hex
            audio = key.encode()
            jobs, files = count(database, Job), len(stored_files(app.state.services))
            answers = await asyncio.gather(*(send((one, other)[n % 2], key, audio) for n in range(50)))
            assert {answer.status_code for answer in answers} == {202}, answers[0].text
            assert len({answer.json()["id"] for answer in answers}) == 1
            assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
            assert count(database, Job) == jobs + 1
            assert len(stored_files(app.state.services)) == files + 1


async def test_many_keys_through_two_processes(settings: Settings, database: Database) -> None:
    """Two processes that receive the same keys in opposite orders do not deadlock; each key gets one job."""
    keys = [uuid.uuid4().hex for _ in range(30)]
    async with running(settings) as (app, one), running(settings) as (_, other):
        answers = await asyncio.gather(
            *(send(one, key) for key in keys), *(send(other, key) for key in reversed(keys))
        )
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["id"] for answer in answers}) == 30
        assert len(stored_files(app.state.services)) == 30
    assert count(database, Job) == 30


# SQLite's write lock leaves no moment in between.
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_key_that_another_process_takes_in_this_moment(
    client: httpx.AsyncClient, services: Services, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Race: the key is free when the transaction begins and taken when the row is written."""
    submit_once = insertion.submit_once
    in_between = asyncio.Event()
    loop = asyncio.get_running_loop()
    winner: list[httpx.Response] = []
    tries = 0

    async with running(settings) as (_, other):

        def late(session: Session, *jobs: Job, look_first: bool) -> list[Job]:
            nonlocal tries
            if all(job.client != "slow" for job in jobs):
                return submit_once(session, *jobs, look_first=look_first)
            tries += 1
            if tries == 1:
                asyncio.run_coroutine_threadsafe(win(), loop).result(60)
            return submit_once(session, *jobs, look_first=look_first)

        async def win() -> None:
            winner.append(await send(other))
            in_between.set()

        monkeypatch.setattr(insertion, "submit_once", late)
        beside = asyncio.create_task(send(client, "beside"))
        answer = await send(client, client="slow")
        assert (await beside).status_code == 202
    assert in_between.is_set()
    assert answer.json()["id"] == winner[0].json()["id"]
    assert tries >= 2
    assert len(stored_files(services)) == 2


async def test_a_conflict_harms_nobody_in_its_batch(
    client: httpx.AsyncClient, services: Services, database: Database
) -> None:
    await send(client)
    answers = await asyncio.gather(
        send(client, "another"),
        send(client, audio=b"something else"),
        client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)}),
        send(client),
    )
    assert [answer.status_code for answer in answers] == [202, 409, 202, 202]
    assert (count(database, Job), len(stored_files(services))) == (3, 3)


async def test_a_repetition_rings_for_nobody(client: httpx.AsyncClient, settings: Settings) -> None:
    with Redis.from_url(settings.redis_url) as redis:
        for worker in "abcd":  # each may get a message
            beat(redis, worker, 60)
        for _ in range(3):
            await send(client)
        await send(client, "another")
        async with asyncio.timeout(20):
            while redis.llen(QUEUE) < 2:
                await asyncio.sleep(0.01)
        assert redis.llen(QUEUE) == 2


@contextmanager
def lost_after_commit(database: Database) -> Iterator[Session]:
    with Database.write(database) as session:
        yield session
    raise DatabaseUnavailable("lost")


async def test_an_answer_lost_between_commit_and_service_and_its_repetition(
    client: httpx.AsyncClient, services: Services, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the connection is lost after COMMIT, the job is neither lost nor duplicated."""
    with monkeypatch.context() as patched:
        patched.setattr(services.database, "write", lambda: lost_after_commit(services.database))
        patched.setattr("api.intake.submission.find", lambda *_: _away())
        first = await send(client)
        assert (first.status_code, first.json()["code"]) == (503, "database_unavailable")
    assert count(database, Job) == 1
    assert len(stored_files(services)) == 1, "the row may need it"
    again = await send(client)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
    with database.read() as session:
        (job,) = session.scalars(select(Job)).all()
    assert stored_files(services) == [job.file_key]


async def test_a_whole_batch_whose_commit_got_through_counts(
    client: httpx.AsyncClient, services: Services, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(services.database, "write", lambda: lost_after_commit(services.database))
        answers = await asyncio.gather(*(send(client) for _ in range(5)), send(client, "another"))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 2
    assert (count(database, Job), len(stored_files(services))) == (2, 2)


def _away() -> None:
    raise DatabaseUnavailable("away")
