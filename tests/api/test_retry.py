"""POST /v1/jobs/{id}/retry: run failed and cancelled jobs again."""

import uuid

import anyio
import httpx
import pytest
from redis import Redis
from sqlalchemy import select

from api.services import Services
from shared.announcements import CHANNEL
from shared.database import Database
from shared.jobs.tables import Job, JobEvent
from shared.queue import QUEUE
from shared.settings import Settings
from tests.api.front_end import running, submit
from tests.api.pretend_worker import PretendWorker

pytestmark = pytest.mark.anyio


async def again(client: httpx.AsyncClient, job_id: str) -> httpx.Response:
    return await client.post(f"/v1/jobs/{job_id}/retry")


async def test_a_failed_job_is_queued_for_as_many_more_attempts(
    client: httpx.AsyncClient, worker: PretendWorker, settings: Settings, database: Database
) -> None:
    job_id = await submit(client)
    worker.fail("attempts_exhausted", "It went wrong.")
    response = await again(client, job_id)
    assert (response.status_code, response.headers["location"]) == (202, f"/v1/jobs/{job_id}")
    job = response.json()
    assert (job["status"], job["position"], job["error"], job["finished_at"]) == ("queued", 0, None, None)
    assert (job["attempt"], job["max_attempts"]) == (1, 1 + settings.max_attempts)
    worker.succeed()
    assert (await client.get(f"/v1/jobs/{job_id}")).json()["status"] == "succeeded"
    with database.read() as session:
        events = [event.event for event in session.scalars(select(JobEvent).order_by(JobEvent.id))]
    assert events == ["submitted", "claimed", "failed", "retried", "claimed", "succeeded"]


async def test_a_cancelled_job_runs_after_all(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    job_id = await submit(client)
    job = worker.claim()
    await client.delete(f"/v1/jobs/{job_id}")
    worker.cancel(job)
    response = await again(client, job_id)
    assert (response.status_code, response.json()["cancel_requested"]) == (202, False)
    worker.succeed()
    assert (await client.get(f"/v1/jobs/{job_id}")).json()["status"] == "succeeded"


async def test_workers_and_those_who_wait_are_told(client: httpx.AsyncClient, settings: Settings) -> None:
    job_id = await submit(client)
    await client.delete(f"/v1/jobs/{job_id}")
    with Redis.from_url(settings.redis_url) as redis, redis.pubsub() as pubsub:
        redis.blpop([QUEUE], timeout=20)
        pubsub.subscribe(CHANNEL)
        assert pubsub.get_message(timeout=20)["type"] == "subscribe"
        await again(client, job_id)
        message = await anyio.to_thread.run_sync(lambda: redis.blpop([QUEUE], timeout=20)[1])
        assert job_id.encode() in message
        announced = await anyio.to_thread.run_sync(lambda: pubsub.get_message(timeout=20))
        assert announced["data"] == job_id.encode()


@pytest.mark.parametrize("state", ["queued", "running", "succeeded"])
async def test_other_states_are_refused(client: httpx.AsyncClient, worker: PretendWorker, state: str) -> None:
    job_id = await submit(client)
    if state == "running":
        worker.claim()
    elif state == "succeeded":
        worker.succeed()
    response = await again(client, job_id)
    assert (response.status_code, response.json()["code"]) == (409, "illegal_transition")
    assert (await client.get(f"/v1/jobs/{job_id}")).json()["status"] == state


async def test_a_second_time_finds_it_queued(client: httpx.AsyncClient) -> None:
    job_id = await submit(client)
    await client.delete(f"/v1/jobs/{job_id}")
    assert (await again(client, job_id)).status_code == 202
    assert (await again(client, job_id)).json()["code"] == "illegal_transition"


@pytest.mark.parametrize("code", ["audio_unreadable", "attempts_exhausted"])
async def test_without_its_recording_it_cannot_run(
    client: httpx.AsyncClient, services: Services, database: Database, worker: PretendWorker, code: str
) -> None:
    """No retry without the recording: it was at fault and is about to be deleted, or it is missing."""
    job_id = await submit(client)
    worker.fail(code)
    if code == "attempts_exhausted":
        with database.read() as session:
            services.files.delete(session.get_one(Job, uuid.UUID(job_id)).file_key)
    response = await again(client, job_id)
    assert (response.status_code, response.json()["code"]) == (409, "recording_gone")
    assert (await client.get(f"/v1/jobs/{job_id}")).json()["error"]["code"] == code


async def test_unknown_and_malformed_ids(client: httpx.AsyncClient) -> None:
    assert (await again(client, str(uuid.uuid4()))).json()["code"] == "job_not_found"
    assert (await again(client, "nonsense")).json()["code"] == "invalid_request"


async def test_a_full_queue_takes_no_retries(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.intake.admission.COUNT_SECONDS", 0)
    async with running(settings.model_copy(update={"queue_limit": 1})) as (_, client):
        job_id = await submit(client)
        await client.delete(f"/v1/jobs/{job_id}")
        await submit(client)
        response = await again(client, job_id)
        assert (response.status_code, response.json()["code"]) == (429, "queue_full")
        assert (await client.get(f"/v1/jobs/{job_id}")).json()["status"] == "cancelled"
