"""Outages of Redis and the database: the responses meanwhile, and the recovery."""

import asyncio
import os
import re
import signal
import sqlite3
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from redis import Redis
from sqlalchemy import make_url, select

from api.app import create_app
from api.doorbell import Doorbell
from api.services import Services
from api.threads import Threads
from migrations.schema import upgrade
from shared.database import Database
from shared.jobs.tables import Job
from shared.presence import beat
from shared.queue import QUEUE, JobQueue, make_celery
from shared.settings import Settings
from tests.api.front_end import AUDIO, running, stored_files, submit
from tests.conftest import MODEL, own_postgres, own_redis, postgres_url_of

pytestmark = pytest.mark.anyio
one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def is_unavailable(response: httpx.Response) -> bool:
    document = response.json()
    code = document.get("error", document)["code"]  # in OpenAI's shape, or in ours
    assert (response.status_code, code) == (503, "database_unavailable"), response.text
    assert int(response.headers["retry-after"]) > 0
    return True


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():
            await asyncio.sleep(0.05)


# --- the database ---

ROUTES = [
    (method.upper(), path)
    for path, methods in create_app(Settings()).openapi()["paths"].items()
    for method in methods
]
WITHOUT_DATABASE = {"/healthz", "/metrics", "/v1/models", "/v1/models/{model}"}
FORMS = {"/v1/jobs", "/transcribe/", "/visualize/", "/v1/audio/transcriptions"}


@pytest.fixture(params=["no server", "no file"])
def without_database(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Settings:
    """Settings with a Postgres that does not listen, or a SQLite file that cannot be opened."""
    url = f"sqlite:///{tmp_path}"
    if request.param == "no server":
        url = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    # A cached property of the copied settings holds the old URL.
    return Settings(**{**settings.model_dump(), "database_url": url})


@one_database
@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_no_route_answers_500(without_database: Settings, method: str, path: str) -> None:
    address = re.sub(r"{\w+}", str(uuid.uuid4()), path.replace("{model}", MODEL))
    address += f"?job={uuid.uuid4()}" if path == "/v1/events" else ""
    files = {"file": ("a.wav", AUDIO)} if path in FORMS else None
    async with running(without_database) as (app, client):
        response = await client.request(method, address, files=files if method == "POST" else None)
        assert stored_files(app.state.services) == []
    if path in WITHOUT_DATABASE:
        assert response.status_code == 200
    elif path == "/readyz":
        assert (response.status_code, response.json()["checks"]["database"]["ok"]) == (503, False)
    else:
        assert is_unavailable(response)


@one_database
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/jobs/nonsense", 422),
        ("POST", "/v1/jobs/nonsense/retry", 422),
        ("GET", "/v1/jobs?limit=0", 422),
        ("GET", "/nowhere", 404),
        ("PUT", "/v1/jobs", 405),
    ],
)
async def test_bad_input_is_told_so_all_the_same(
    without_database: Settings, method: str, path: str, status: int
) -> None:
    async with running(without_database) as (_, client):
        assert (await client.request(method, path)).status_code == status


@one_database
async def test_a_sqlite_file_that_is_locked_for_long(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.database.SQLITE_BUSY_SECONDS", 0.2)
    async with running(settings) as (app, client):
        job_id = await submit(client)
        holder = sqlite3.connect(make_url(settings.database_url).database or "", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        assert is_unavailable(await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)}))
        assert is_unavailable(await client.delete(f"/v1/jobs/{job_id}"))
        assert is_unavailable(await client.post(f"/v1/jobs/{job_id}/retry"))
        assert (await client.get(f"/v1/jobs/{job_id}")).status_code == 200, "readers do not wait for writers"
        assert len(stored_files(app.state.services)) == 1
        holder.execute("ROLLBACK")
        holder.close()
        await submit(client)
        assert (await client.delete(f"/v1/jobs/{job_id}")).status_code == 200


class OwnPostgres:
    """A Postgres server that a test may stop."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url = postgres_url_of(server)

    def stop(self, number: signal.Signals) -> None:
        pid = self._server.get_pid()
        os.kill(pid, number)
        deadline = time.monotonic() + 60
        while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
            assert time.monotonic() < deadline, "it does not stop"
            time.sleep(0.02)

    def start(self) -> None:
        self._server.ensure_postgres_running()


@pytest.fixture
def stoppable_postgres() -> Iterator[OwnPostgres]:
    with own_postgres() as own:
        server = OwnPostgres(own)
        database = Database(server.url)
        upgrade(database)
        database.close()
        yield server


@pytest.mark.stack
@one_database
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
async def test_postgres_goes_and_comes_back(
    settings: Settings, stoppable_postgres: OwnPostgres, how: signal.Signals
) -> None:
    there = Settings(**{**settings.model_dump(), "database_url": stoppable_postgres.url})
    async with running(there) as (app, client):
        services: Services = app.state.services
        job_id = await submit(client)
        uploading = [
            asyncio.create_task(
                client.post(
                    "/v1/jobs",
                    files={"file": ("a.wav", AUDIO + bytes([number]))},
                    headers={"Idempotency-Key": f"key-{number}"},
                )
            )
            for number in range(40)
        ]
        await anyio.to_thread.run_sync(stoppable_postgres.stop, how)
        first = await asyncio.gather(*uploading)
        assert {answer.status_code for answer in first} <= {202, 503}
        for response in (
            await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)}),
            await client.get(f"/v1/jobs/{job_id}"),
            await client.delete(f"/v1/jobs/{job_id}"),
        ):
            assert is_unavailable(response)
        assert (await client.get("/readyz")).json()["checks"]["database"]["ok"] is False
        assert (await client.get("/healthz")).status_code == 200

        await anyio.to_thread.run_sync(stoppable_postgres.start)

        async def is_back() -> bool:
            return (await client.get(f"/v1/jobs/{job_id}")).status_code == 200

        await eventually(is_back)
        for number, before in enumerate(first):  # as a client does that got no answer
            again = await client.post(
                "/v1/jobs",
                files={"file": ("a.wav", AUDIO + bytes([number]))},
                headers={"Idempotency-Key": f"key-{number}"},
            )
            assert again.status_code == 202
            if before.status_code == 202:
                assert again.json()["id"] == before.json()["id"]
        jobs = (await client.get("/v1/jobs", params={"limit": 200})).json()["jobs"]
        assert len(jobs) == 41, "none lost, none doubled"
        with services.database.read() as session:
            keys = {key for (key,) in session.execute(select(Job.file_key))}
        assert keys <= set(stored_files(services)), "every job has its recording"


# --- Redis ---


@pytest.mark.stack
async def test_a_redis_that_hangs_holds_up_no_submission(settings: Settings) -> None:
    with own_redis() as (url, process):
        async with running(settings.model_copy(update={"redis_url": url})) as (_, client):
            job_id = await submit(client)
            process.send_signal(signal.SIGSTOP)
            began = time.monotonic()
            for _ in range(40):
                await submit(client)
            # Its timeout is two seconds: forty of them would be eighty.
            assert time.monotonic() - began < 30
            assert (await client.delete(f"/v1/jobs/{job_id}")).status_code == 200
            assert (await client.post(f"/v1/jobs/{job_id}/retry")).status_code == 202
            readiness = await client.get("/readyz")
            assert (readiness.status_code, readiness.json()["checks"]["redis"]["ok"]) == (503, False)
            process.send_signal(signal.SIGCONT)

            async def is_back() -> bool:
                return (await client.get("/readyz")).json()["checks"]["redis"]["ok"] is True

            await eventually(is_back)

            def rung() -> int:
                with Redis.from_url(url) as redis:
                    return int(redis.llen(QUEUE))

            before = rung()

            async def rings_again() -> bool:
                await submit(client)
                return rung() > before

            await eventually(rings_again)


@pytest.mark.stack
@one_database
async def test_a_redis_that_dies_and_comes_back(settings: Settings, tmp_path: Path) -> None:
    async with running(settings.model_copy(update={"redis_url": f"unix://{tmp_path}/r.sock"})) as (_, client):
        for _ in range(20):
            await submit(client)
        assert (await client.get("/readyz")).json()["checks"]["redis"]["ok"] is False
        with own_redis() as (url, _):
            (tmp_path / "r.sock").symlink_to(url.removeprefix("unix://").partition("?")[0])

            async def rings_again() -> bool:
                await submit(client)
                with Redis.from_url(url) as redis:
                    return int(redis.llen(QUEUE)) > 0

            await eventually(rings_again)


class Deaf:
    """A queue without Redis, which counts the attempts to ring."""

    def __init__(self) -> None:
        self.tries = 0

    def ring_for(self, *_: object) -> bool:
        self.tries += 1
        if self.tries > 100:
            raise ZeroDivisionError
        return False


@pytest.fixture
def redis(redis_server: str) -> Iterator[Redis]:
    """A Redis in which no doorbell waits."""
    with Redis.from_url(redis_server) as redis:
        redis.delete(QUEUE)
        yield redis


async def test_a_doorbell_for_each_worker_is_enough(redis: Redis, settings: Settings) -> None:
    for number in range(3):
        beat(redis, f"worker {number}", 60)
    queue = JobQueue(make_celery(settings))
    doorbell = Doorbell(Threads(single_writer=True), queue, redis)
    doorbell.ring("m", uuid.uuid4())
    await doorbell._messages.settle(60)
    assert redis.llen(QUEUE) == 1
    doorbell.ring("m", *(uuid.uuid4() for _ in range(50)))
    for _ in range(50):
        doorbell.ring("m", uuid.uuid4())
    await doorbell._messages.settle(60)
    assert redis.llen(QUEUE) == 3
    queue.close()


async def test_an_outage_is_remembered(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Deaf()
    doorbell = Doorbell(Threads(single_writer=True), queue, redis)  # type: ignore[arg-type]
    monkeypatch.setattr("api.doorbell.OUTAGE_SECONDS", 3600)
    for _ in range(500):
        doorbell.ring("m", uuid.uuid4())
    await doorbell._messages.settle(60)
    assert queue.tries == 1


async def test_a_bell_that_breaks_harms_nobody(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Deaf()
    queue.tries = 1000
    doorbell = Doorbell(Threads(single_writer=True), queue, redis)  # type: ignore[arg-type]
    monkeypatch.setattr("api.doorbell.OUTAGE_SECONDS", 0)
    for _ in range(3):
        doorbell.ring("m", uuid.uuid4())
    await doorbell._messages.settle(60)
    assert queue.tries == 1003
