"""Rate limits of keys, in a real Redis, and quotas of tenants, in the database."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import httpx
import pytest
import structlog.testing
from redis import Redis

from api.http import rate_limits
from api.intake import quotas
from api.intake.quotas import Quotas
from api.threads import Threads
from shared.clock import now
from shared.database import Database
from shared.jobs import attempts, book_audio, usage_of
from shared.jobs.results import Measurements
from shared.keys import Limits, Scope
from shared.settings import Settings
from tests.api.front_end import AUDIO, running, stored_files
from tests.api.keys import bearer, make_key, tenant_of
from tests.api.pretend_worker import OWNER, PretendWorker

pytestmark = pytest.mark.anyio
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
NOBODY = "redis://127.0.0.1:9/0"


@pytest.fixture
def limited(settings: Settings) -> Settings:
    """A service that lets a key send five requests a minute."""
    return settings.model_copy(update={"require_keys": "always", "rate_limit_per_minute": 5})


@pytest.fixture
def _always_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "COUNT_SECONDS", 0)


def parsed(answer: httpx.Response) -> tuple[int, int, int, int]:
    """The limit, the window, what is left and until when, of an answer."""
    policy = re.fullmatch(r'"requests";q=(\d+);w=(\d+)', answer.headers["ratelimit-policy"])
    standing = re.fullmatch(r'"requests";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
    assert policy
    assert standing
    return int(policy[1]), int(policy[2]), int(standing[1]), int(standing[2])


async def post(client: httpx.AsyncClient, secret: str, **headers: str) -> httpx.Response:
    return await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)}, headers=bearer(secret) | headers)


@on_sqlite
class TestRates:
    async def test_each_key_has_its_own(self, limited: Settings, database: Database) -> None:
        first, second = make_key(database, name="a"), make_key(database, name="b")
        async with running(limited) as (_, client):
            for used in range(1, 6):
                answer = await client.get("/v1/jobs", headers=bearer(first))
                assert answer.status_code == 200
                limit, window, left, seconds = parsed(answer)
                assert (limit, window, left) == (5, 60, 5 - used)
                assert 12 * used - 6 <= seconds <= 12 * used
            refused = await client.get("/v1/jobs", headers=bearer(first))
            assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
            assert 1 <= int(refused.headers["retry-after"]) <= 12
            assert parsed(refused)[2] == 0
            assert parsed(refused)[3] >= int(refused.headers["retry-after"])
            assert (await client.get("/v1/jobs", headers=bearer(second))).status_code == 200

    async def test_every_answer_to_a_key_tells(self, limited: Settings, database: Database) -> None:
        secret = make_key(database, Scope.READ, limits=Limits(requests_per_minute=100))
        unknown = "/v1/jobs/019a2f3c-5b7e-7c41-9d52-0a6f1e8b3c77"
        async with running(limited) as (_, client):
            answers = [
                await client.request(method, path, headers=bearer(secret))
                for method, path in [
                    ("GET", "/v1/jobs"),
                    ("HEAD", "/v1/jobs"),
                    ("GET", unknown),
                    ("GET", "/v1/jobs/nonsense"),
                    ("DELETE", unknown),
                    ("GET", "/v1/jobs?limit=0"),
                ]
            ]
            assert [answer.status_code for answer in answers] == [200, 200, 404, 422, 403, 422]
            assert [parsed(answer)[0] for answer in answers] == [100] * 6
            left = [parsed(answer)[2] for answer in answers]
            assert left[0] == 99
            assert left[-1] in (94, 95)  # a request comes back every 0.6 s
            for path, headers in (("/v1/jobs", {}), ("/healthz", bearer(secret)), ("/v1/jobs", bearer("x"))):
                assert "ratelimit" not in (await client.get(path, headers=headers)).headers

    async def test_a_key_may_have_no_limit(self, limited: Settings, database: Database) -> None:
        secret = make_key(database, limits=Limits(requests_per_minute=0))
        async with running(limited) as (_, client):
            for _ in range(10):
                answer = await client.get("/v1/jobs", headers=bearer(secret))
                assert answer.status_code == 200
                assert "ratelimit" not in answer.headers

    async def test_who_needs_no_key_has_no_limit(self, settings: Settings) -> None:
        async with running(settings.model_copy(update={"rate_limit_per_minute": 1})) as (_, client):
            for _ in range(3):
                assert (await client.get("/v1/jobs")).status_code == 200

    async def test_processes_count_together_and_exactly(
        self, limited: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rate_limits, "ANSWER_SECONDS", 30.0)  # on a busy machine, too
        secret = make_key(database, limits=Limits(requests_per_minute=30))
        began = time.monotonic()
        async with running(limited) as (_, one), running(limited) as (_, other):
            answers = await asyncio.gather(
                *(
                    client.get("/v1/jobs", headers=bearer(secret))
                    for client in (one, other)
                    for _ in range(30)
                )
            )
        passed = sum(answer.status_code == 200 for answer in answers)
        assert 30 <= passed <= 31 + (time.monotonic() - began) / 2  # a request comes back every 2 s

    async def test_requests_come_back_evenly(self, limited: Settings, database: Database) -> None:
        secret = make_key(database, limits=Limits(requests_per_minute=120))
        async with running(limited) as (_, client):
            while (await client.get("/v1/jobs", headers=bearer(secret))).status_code == 200:
                pass
            await asyncio.sleep(0.6)
            assert (await client.get("/v1/jobs", headers=bearer(secret))).status_code == 200

    async def test_nothing_of_it_stays_in_redis(self, limited: Settings, database: Database) -> None:
        secret = make_key(database, limits=Limits(requests_per_minute=60_000))
        async with running(limited) as (_, client):
            await client.get("/v1/jobs", headers=bearer(secret))
        with Redis.from_url(limited.redis_url) as redis:
            for name in redis.keys(rate_limits.PREFIX + "*"):
                assert 0 < redis.pttl(name) <= 60_000
                assert secret not in name.decode()

    async def test_without_redis_nothing_is_limited(self, limited: Settings, database: Database) -> None:
        secret = make_key(database)
        async with running(limited.model_copy(update={"redis_url": NOBODY})) as (_, client):
            with structlog.testing.capture_logs() as logs:
                for _ in range(10):
                    answer = await client.get("/v1/jobs", headers=bearer(secret))
                    assert answer.status_code == 200
                    assert "ratelimit" not in answer.headers
        told = [line for line in logs if line["event"] == "rate_limit_unchecked"]
        assert 1 <= len(told) <= 3
        assert secret not in str(logs)

    async def test_a_silent_redis_delays_few_requests(
        self, limited: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(60)
            writer.close()

        monkeypatch.setattr(rate_limits, "PAUSE_SECONDS", 60)
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        secret = make_key(database)
        async with running(limited.model_copy(update={"redis_url": f"redis://127.0.0.1:{port}/0"})) as (
            _,
            client,
        ):
            began = time.monotonic()
            for _ in range(20):
                assert (await client.get("/v1/jobs", headers=bearer(secret))).status_code == 200
            assert time.monotonic() - began < 20 * rate_limits.ANSWER_SECONDS
        server.close()


@pytest.mark.usefixtures("_always_counted")
class TestQuotas:
    async def test_jobs_that_wait(
        self, settings: Settings, database: Database, worker: PretendWorker
    ) -> None:
        narrow = settings.model_copy(update={"require_keys": "always", "tenant_jobs_waiting": 2})
        first, second = make_key(database, name="a"), make_key(database, name="b")
        colleague = make_key(database, name="a2", tenant=tenant_of(database, first))
        wide = make_key(database, name="a3", tenant=tenant_of(database, first), limits=Limits(jobs_waiting=0))
        async with running(narrow) as (app, client):
            repeated = await post(client, first, **{"Idempotency-Key": "k"})
            assert (await post(client, first)).status_code == 202
            for secret in (first, colleague):
                answer = await post(client, secret)
                assert (answer.status_code, answer.json()["code"]) == (429, "quota_exceeded")
                assert int(answer.headers["retry-after"]) >= 1
            for path in ("/transcribe/", "/visualize/"):
                answer = await client.post(path, files={"file": ("a.wav", AUDIO)}, headers=bearer(first))
                assert answer.status_code == 429
            assert len(stored_files(app.state.services)) == 2
            again = await post(client, first, **{"Idempotency-Key": "k"})
            assert (again.status_code, again.json()["id"]) == (202, repeated.json()["id"])
            foreign = await post(client, second, **{"Idempotency-Key": "k"})
            assert (foreign.status_code, foreign.headers.get("idempotent-replayed")) == (202, None)
            assert (await post(client, wide)).status_code == 202
            for _ in range(2):
                await anyio.to_thread.run_sync(worker.claim)
            assert (await post(client, second)).status_code == 202

    async def test_the_body_is_not_read(self, settings: Settings, database: Database) -> None:
        async def never() -> AsyncIterator[bytes]:
            raise AssertionError("the body was read")
            yield b""

        secret = make_key(database, limits=Limits(jobs_waiting=1))
        async with running(settings) as (_, client):
            assert (await post(client, secret)).status_code == 202
            headers = {"Content-Type": "multipart/form-data; boundary=x", "Expect": "100-continue"}
            answer = await client.post("/v1/jobs", content=never(), headers=bearer(secret) | headers)
        assert answer.status_code == 429

    async def test_a_retry_needs_a_place_too(
        self, settings: Settings, database: Database, worker: PretendWorker
    ) -> None:
        secret = make_key(database, limits=Limits(jobs_waiting=1))
        async with running(settings) as (_, client):
            job_id = (await post(client, secret)).json()["id"]
            await anyio.to_thread.run_sync(worker.fail)
            assert (await post(client, secret)).status_code == 202
            answer = await client.post(f"/v1/jobs/{job_id}/retry", headers=bearer(secret))
            assert (answer.status_code, answer.json()["code"]) == (429, "quota_exceeded")

    async def test_hours_of_audio(self, settings: Settings, database: Database) -> None:
        secret = make_key(database, limits=Limits(audio_hours_per_day=1.5))
        tenant = tenant_of(database, secret)
        async with running(settings) as (_, client):
            with database.write() as session:
                book_audio(session, tenant, 3600.0, now())
                book_audio(session, tenant, 9000.0, now() - timedelta(days=1))
                book_audio(session, "another", 9000.0, now())
            assert (await post(client, secret)).status_code == 202
            with database.write() as session:
                book_audio(session, tenant, 1800.0, now())
            answer = await post(client, secret)
            assert (answer.status_code, answer.json()["code"]) == (429, "quota_exceeded")
            assert "1.5 hours" in answer.json()["detail"]
            midnight = datetime.combine(now().date() + timedelta(days=1), datetime.min.time(), UTC)
            assert abs(int(answer.headers["retry-after"]) - (midnight - now()).total_seconds()) < 5

    async def test_who_needs_no_key_has_no_quota(self, settings: Settings) -> None:
        changes = {"tenant_jobs_waiting": 1, "tenant_audio_hours_per_day": 0.001}
        async with running(settings.model_copy(update=changes)) as (_, client):
            for _ in range(3):
                answer = await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)})
                assert answer.status_code == 202


@pytest.mark.parametrize("count_seconds", [0, 3600])
async def test_one_process_never_passes_a_quota(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch, count_seconds: float
) -> None:
    monkeypatch.setattr(quotas, "COUNT_SECONDS", count_seconds)
    secret = make_key(database, limits=Limits(jobs_waiting=7))
    async with running(settings) as (_, client):
        bad = await client.post(
            "/v1/jobs", files={"file": ("a.wav", AUDIO)}, data={"modle": "x"}, headers=bearer(secret)
        )
        assert bad.status_code == 422  # gives its place back
        answers = await asyncio.gather(*(post(client, secret) for _ in range(20)))
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(202), statuses.count(429)) == (7, 13)


async def test_usage_is_asked_for_rarely(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(session: Any, tenant: str, moment: datetime) -> Any:
        asked.append(tenant)
        return usage_of(session, tenant, moment)

    monkeypatch.setattr(quotas, "usage_of", counted)
    monkeypatch.setattr(quotas, "COUNT_SECONDS", 3600)
    tenants = Quotas(Threads(single_writer=True), database, settings)
    limits = Limits(jobs_waiting=5)
    for tenant in ("a", "b"):
        found = await asyncio.gather(*(tenants.excess(tenant, limits) for _ in range(50)))
        assert found == [None] * 50
        assert await tenants.excess(tenant, limits, places=6) is not None
        assert await tenants.excess(tenant, limits, places=5) is None
    assert asked == ["a", "b"]


async def test_audio_stays_booked_when_its_job_is_erased(
    settings: Settings, database: Database, worker: PretendWorker
) -> None:
    secret = make_key(database)
    tenant = tenant_of(database, secret)
    async with running(settings) as (_, client):
        ids = [(await post(client, secret)).json()["id"] for _ in range(2)]
        ids.append((await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)})).json()["id"])
        for _ in ids:
            job = await anyio.to_thread.run_sync(worker.claim)
            with database.write() as session:
                measured = Measurements(
                    audio_seconds=90.5,
                    sample_rate=16000,
                    channels=1,
                    speech_seconds=1.0,
                    stage_seconds={},
                    warnings=(),
                )
                attempts.succeed(session, job, owner=OWNER, measured=measured, waveform=None)
        for job_id in ids:
            assert (await client.delete(f"/v1/jobs/{job_id}")).status_code == 204
    with database.read() as session:
        assert usage_of(session, tenant, now()) == (0, 181.0)
        assert usage_of(session, "", now()) == (0, 0.0)
        assert usage_of(session, tenant, now() - timedelta(days=1)) == (0, 0.0)
