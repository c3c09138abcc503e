"""GET /healthz and GET /readyz."""

import asyncio
import threading

import httpx
import pytest
from sqlalchemy import text

from api.services import Services
from shared import draining
from shared.database import Database
from shared.schema import NEWEST
from shared.settings import Settings
from tests.api.front_end import running
from tests.api.pretend_worker import PretendWorker

pytestmark = pytest.mark.anyio


async def test_alive(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}


async def test_ready_only_with_a_worker(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["status"] == "not_ready"
    assert response.json()["checks"]["workers"] == {"ok": False, "count": 0}
    assert response.json()["checks"]["database"]["ok"] is True
    assert response.json()["checks"]["redis"]["ok"] is True
    worker.beat()
    response = await client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "ready")
    assert response.json()["checks"]["workers"] == {"ok": True, "count": 1}
    worker.leave()
    assert (await client.get("/readyz")).status_code == 503


async def test_ready_only_with_a_worker_for_the_default_model(
    client: httpx.AsyncClient, worker: PretendWorker
) -> None:
    worker.beat(models=["large"])
    response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["workers"] == {"ok": False, "count": 1}
    worker.beat(models=["large", "hi-ctc-base"])
    assert (await client.get("/readyz")).status_code == 200


async def test_a_drain_is_told_and_leaves_the_service_ready(
    client: httpx.AsyncClient, worker: PretendWorker, database: Database
) -> None:
    worker.beat()
    assert (await client.get("/readyz")).json()["draining"] is False
    draining.begin(database)
    response = await client.get("/readyz")
    draining.end(database)
    assert (response.status_code, response.json()["status"]) == (200, "ready")
    assert response.json()["draining"] is True


async def test_without_redis_it_lives_but_is_not_ready(settings: Settings) -> None:
    away = settings.model_copy(update={"redis_url": "unix:///nowhere/redis.sock"})
    async with running(away) as (_, client):
        assert (await client.get("/healthz")).status_code == 200
        response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["redis"]["ok"] is False
    assert response.json()["checks"]["database"]["ok"] is True


async def test_without_a_database_it_lives_but_is_not_ready(
    settings: Settings, worker: PretendWorker
) -> None:
    worker.beat()
    url = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    # A cached property of the copied settings holds the old URL.
    away = Settings(**{**settings.model_dump(), "database_url": url})
    async with running(away) as (_, client):
        assert (await client.get("/healthz")).status_code == 200
        response = await client.get("/readyz")
        assert response.status_code == 503
        assert response.json()["checks"]["database"]["ok"] is False
        assert response.json()["checks"]["redis"]["ok"] is True
        listing = await client.get("/v1/jobs")
    assert (listing.status_code, listing.json()["code"]) == (503, "database_unavailable")


async def test_a_database_that_hangs_holds_the_probe_only_so_long(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = threading.Event()
    monkeypatch.setattr("api.routes.health.PROBE_SECONDS", 0.2)
    monkeypatch.setattr("api.routes.health.revision_of", lambda _: hangs.wait(60))
    try:
        for _ in range(2):
            async with asyncio.timeout(30):
                response = await client.get("/readyz")
            assert response.json()["checks"]["database"]["ok"] is False
    finally:
        hangs.set()


async def test_not_ready_at_another_migration(client: httpx.AsyncClient, services: Services) -> None:
    with services.database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    try:
        response = await client.get("/readyz")
    finally:
        with services.database.write() as session:
            session.execute(text("UPDATE alembic_version SET version_num = :newest"), {"newest": NEWEST})
    assert response.status_code == 503
    checks = response.json()["checks"]
    assert checks["database"]["ok"] is True
    assert checks["migrations"]["ok"] is False
    assert "0001" in checks["migrations"]["detail"]
    assert NEWEST in checks["migrations"]["detail"]


async def test_not_ready_when_the_disk_is_nearly_full(settings: Settings, worker: PretendWorker) -> None:
    worker.beat()
    full = Settings(**{**settings.model_dump(), "disk_reserve_bytes": 2**60})
    async with running(full) as (_, client):
        response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["disk"]["ok"] is False
    assert response.json()["checks"]["workers"]["ok"] is True
