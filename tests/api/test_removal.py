"""DELETE /v1/jobs/{id}: cancel queued jobs, ask running ones to stop, erase finished ones."""

import uuid

import anyio
import httpx
import pytest
from redis import Redis
from sqlalchemy import func, select

from api.services import Services
from shared.announcements import CHANNEL
from shared.database import Database
from shared.jobs import verbs
from shared.jobs.tables import Job, JobEvent, SegmentRow, WaveformRow
from shared.settings import Settings
from tests.api.front_end import stored_files, submit
from tests.api.pretend_worker import PretendWorker

pytestmark = pytest.mark.anyio


async def test_a_queued_job_is_cancelled_at_once(client: httpx.AsyncClient, services: Services) -> None:
    job_id = await submit(client)
    response = await client.delete(f"/v1/jobs/{job_id}")
    assert response.status_code == 200
    assert response.json()["status"] == "cancelled"
    assert response.json()["finished_at"]
    assert len(stored_files(services)) == 1, "the recording stays until the job is erased"


async def test_a_running_job_is_asked_to_end(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    job_id = await submit(client)
    job = worker.claim()
    for _ in range(2):
        response = await client.delete(f"/v1/jobs/{job_id}")
        assert response.status_code == 202
        assert response.json()["status"] == "running"
        assert response.json()["cancel_requested"] is True
    assert worker.report(job, 0.5) is False, "the worker hears of it"
    worker.cancel(job)
    assert (await client.get(f"/v1/jobs/{job_id}")).json()["status"] == "cancelled"


@pytest.mark.parametrize("end", ["succeeded", "failed", "cancelled"])
async def test_an_ended_job_is_erased_with_all_it_made(
    client: httpx.AsyncClient, services: Services, database: Database, worker: PretendWorker, end: str
) -> None:
    job_id = await submit(client)
    if end == "succeeded":
        worker.succeed()
    elif end == "failed":
        worker.fail()
    else:
        await client.delete(f"/v1/jobs/{job_id}")
    response = await client.delete(f"/v1/jobs/{job_id}")
    assert (response.status_code, response.content) == (204, b"")
    assert stored_files(services) == []
    with database.read() as session:
        for table in (Job, JobEvent, SegmentRow, WaveformRow):
            assert session.scalar(select(func.count()).select_from(table)) == 0
    assert (await client.get(f"/v1/jobs/{job_id}")).status_code == 404
    assert (await client.delete(f"/v1/jobs/{job_id}")).status_code == 404


# SQLite's write lock leaves no moment in between.
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_worker_that_claims_in_between_is_asked_to_end(
    client: httpx.AsyncClient, worker: PretendWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Race: the job is claimed after it was read as queued. The cancellation must not overwrite the claim."""
    job_id = await submit(client)
    read = verbs.get_job
    claims = iter([worker.claim])

    def read_then_lose(session: object, wanted: uuid.UUID, tenant: str | None = None) -> Job:
        job = read(session, wanted, tenant)
        for claim in claims:
            claim()
        return job

    monkeypatch.setattr(verbs, "get_job", read_then_lose)
    response = await client.delete(f"/v1/jobs/{job_id}")
    assert response.status_code == 202
    assert response.json()["cancel_requested"] is True


async def test_a_cancellation_is_announced(client: httpx.AsyncClient, settings: Settings) -> None:
    job_id = await submit(client)
    with Redis.from_url(settings.redis_url) as redis, redis.pubsub() as pubsub:
        pubsub.subscribe(CHANNEL)
        assert pubsub.get_message(timeout=2)["type"] == "subscribe"
        await client.delete(f"/v1/jobs/{job_id}")
        message = await anyio.to_thread.run_sync(lambda: pubsub.get_message(timeout=20))
        assert message["data"] == job_id.encode()


async def test_malformed_id(client: httpx.AsyncClient) -> None:
    response = await client.delete("/v1/jobs/..%2f..%2fetc")
    assert response.status_code in (404, 422)
    assert (await client.delete("/v1/jobs/nonsense")).status_code == 422
