"""GET /v1/jobs/{id} and GET /v1/jobs: contents, ETags, long polls, paging."""

import asyncio
import time
import uuid

import anyio
import httpx
import pytest
from sqlalchemy import delete

from api.http import long_polls
from api.services import Services
from shared.database import Database
from shared.jobs import Job, JobInQueue, read_job
from shared.settings import Settings
from tests.api.front_end import running, submit
from tests.api.pretend_worker import PretendWorker

pytestmark = pytest.mark.anyio


async def poll(client: httpx.AsyncClient, job_id: str, **query: object) -> dict:
    response = await client.get(f"/v1/jobs/{job_id}", params=query)
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_poll_follows_the_job(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    first, second = await submit(client), await submit(client)
    assert (await poll(client, first))["position"] == 0
    assert (await poll(client, second))["position"] == 1
    job = worker.claim()
    assert str(job.id) == first
    worker.report(job, 0.5)
    seen = await poll(client, first)
    assert (seen["status"], seen["progress"], seen["attempt"], seen["position"]) == ("running", 0.5, 1, None)
    assert seen["started_at"].endswith("Z")
    assert (await poll(client, second))["position"] == 0


async def test_a_succeeded_job_links_its_results(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    job_id = await submit(client, spectrogram="true")
    worker.succeed()
    seen = await poll(client, job_id)
    assert seen["status"] == "succeeded"
    assert seen["audio"] == {"seconds": 4.0, "sample_rate": 16000, "channels": 1, "speech_seconds": 1.5}
    assert seen["stage_seconds"]["infer"] == 0.5
    assert seen["error"] is None
    for name, link in seen["links"].items():
        assert (await client.get(link)).status_code == 200, name


async def test_results_not_asked_for_are_not_linked(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    job_id = await submit(client, waveform="false")
    worker.succeed()
    links = (await poll(client, job_id))["links"]
    assert links["transcript"]
    assert links["waveform_png"] is links["waveform_json"] is None


async def test_a_failed_job_says_why(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    job_id = await submit(client)
    worker.fail("audio_unreadable", "The file holds no audio.")
    seen = await poll(client, job_id)
    assert seen["status"] == "failed"
    assert seen["error"] == {"code": "audio_unreadable", "message": "The file holds no audio."}
    assert seen["links"]["transcript"] is None


async def test_unknown_and_malformed_ids(client: httpx.AsyncClient) -> None:
    unknown = await client.get(f"/v1/jobs/{uuid.uuid4()}")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "job_not_found")
    malformed = await client.get("/v1/jobs/7")
    assert (malformed.status_code, malformed.json()["code"]) == (422, "invalid_request")
    assert malformed.json()["errors"][0]["field"] == "job_id"


async def test_the_etag_changes_with_what_a_poll_sees(
    client: httpx.AsyncClient, worker: PretendWorker
) -> None:
    job_id = await submit(client)
    first = await client.get(f"/v1/jobs/{job_id}")
    etag = first.headers["etag"]
    assert etag.startswith('W/"')
    same = await client.get(f"/v1/jobs/{job_id}", headers={"If-None-Match": f'"other", {etag}'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    job = worker.claim()
    worker.report(job, 0.25)
    changed = await client.get(f"/v1/jobs/{job_id}", headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


async def test_a_long_poll_ends_when_the_job_does(
    client: httpx.AsyncClient, worker: PretendWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message alone ends it: nothing looks at all jobs meanwhile."""
    monkeypatch.setattr(long_polls, "READ_SECONDS", 60.0)
    job_id = await submit(client)
    waiting = asyncio.create_task(poll(client, job_id, wait=60))
    await asyncio.sleep(1.2)  # over the look that was due
    assert not waiting.done()
    await anyio.to_thread.run_sync(worker.succeed)
    ended = time.monotonic()
    assert (await waiting)["status"] == "succeeded"
    assert time.monotonic() - ended < 20


async def test_a_long_poll_ends_without_the_message_too(
    client: httpx.AsyncClient, worker: PretendWorker
) -> None:
    job_id = await submit(client)
    waiting = asyncio.create_task(poll(client, job_id, wait=60))
    await asyncio.sleep(0.1)
    await anyio.to_thread.run_sync(lambda: worker.succeed(announced=False))
    ended = time.monotonic()
    assert (await waiting)["status"] == "succeeded"
    assert time.monotonic() - ended < 20


async def test_a_long_poll_for_the_end_is_not_read_again_before(
    client: httpx.AsyncClient, worker: PretendWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[uuid.UUID] = []

    def counted(database: Database, job_id: uuid.UUID, tenant: str | None = None) -> JobInQueue:
        reads.append(job_id)
        return read_job(database, job_id, tenant)

    monkeypatch.setattr("api.routes.jobs.read_job", counted)
    job_id = await submit(client)
    waiting = asyncio.create_task(poll(client, job_id, wait=60))
    await asyncio.sleep(0.1)
    job = await anyio.to_thread.run_sync(worker.claim)
    for progress in (0.25, 0.5):
        await anyio.to_thread.run_sync(worker.report, job, progress)
        await asyncio.sleep(0.1)
    assert not waiting.done()
    await anyio.to_thread.run_sync(worker.finish, job)
    assert (await waiting)["status"] == "succeeded"
    assert len(reads) == 2


async def test_a_long_poll_of_an_erased_job_ends(
    client: httpx.AsyncClient, services: Services, worker: PretendWorker
) -> None:
    job_id = await submit(client)
    waiting = asyncio.create_task(client.get(f"/v1/jobs/{job_id}", params={"wait": 60}))
    await asyncio.sleep(0.1)

    def remove() -> None:
        with services.database.write() as session:
            session.execute(delete(Job).where(Job.id == uuid.UUID(job_id)))

    await anyio.to_thread.run_sync(remove)
    began = time.monotonic()
    assert (await waiting).status_code == 404
    assert time.monotonic() - began < 20


async def test_a_long_poll_without_redis(settings: Settings, worker: PretendWorker) -> None:
    away = settings.model_copy(update={"redis_url": "unix:///nowhere/redis.sock"})
    async with running(away) as (_, client):
        job_id = await submit(client)
        waiting = asyncio.create_task(poll(client, job_id, wait=60))
        await asyncio.sleep(0.1)
        await anyio.to_thread.run_sync(lambda: worker.succeed(announced=False))
        ended = time.monotonic()
        assert (await waiting)["status"] == "succeeded"
        assert time.monotonic() - ended < 20


async def test_a_long_poll_with_an_etag_ends_when_the_job_changes(
    client: httpx.AsyncClient, worker: PretendWorker
) -> None:
    job_id = await submit(client)
    etag = (await client.get(f"/v1/jobs/{job_id}")).headers["etag"]
    request = client.get(f"/v1/jobs/{job_id}", params={"wait": 60}, headers={"If-None-Match": etag})
    waiting = asyncio.create_task(request)
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await anyio.to_thread.run_sync(worker.claim)
    response = await waiting
    assert (response.status_code, response.json()["status"]) == (200, "running")


async def test_a_long_poll_with_the_etag_of_a_final_job_answers_at_once(
    client: httpx.AsyncClient, worker: PretendWorker
) -> None:
    job_id = await submit(client)
    worker.succeed()
    etag = (await client.get(f"/v1/jobs/{job_id}")).headers["etag"]
    began = time.monotonic()
    response = await client.get(f"/v1/jobs/{job_id}", params={"wait": 60}, headers={"If-None-Match": etag})
    assert response.status_code == 304
    assert time.monotonic() - began < 20


async def test_a_long_poll_is_no_longer_than_the_service_allows(settings: Settings) -> None:
    hasty = settings.model_copy(update={"max_wait_seconds": 0.2})
    async with running(hasty) as (_, client):
        job_id = await submit(client)
        began = time.monotonic()
        assert (await poll(client, job_id, wait=1000))["status"] == "queued"
        assert time.monotonic() - began < 20


async def test_long_polls_end_when_the_service_stops(client: httpx.AsyncClient, services: Services) -> None:
    job_id = await submit(client)
    waiting = asyncio.create_task(poll(client, job_id, wait=60))
    await asyncio.sleep(0.1)
    services.watcher.stop()
    async with asyncio.timeout(20):
        assert (await waiting)["status"] == "queued"


async def test_waiting_holds_no_thread(client: httpx.AsyncClient, services: Services) -> None:
    """A plain poll is answered while ten times as many long polls wait as there are threads."""
    job_id = await submit(client)
    waiting = [asyncio.create_task(poll(client, job_id, wait=60)) for _ in range(80)]
    async with asyncio.timeout(10):
        while services.watcher.waiting < len(waiting):
            await asyncio.sleep(0.01)
    began = time.monotonic()
    await poll(client, job_id)
    assert time.monotonic() - began < 20
    assert not any(task.done() for task in waiting)
    services.watcher.stop()
    await asyncio.gather(*waiting)


async def test_waiters_are_forgotten(client: httpx.AsyncClient, services: Services) -> None:
    job_id = await submit(client)
    await poll(client, job_id, wait=0.1)
    assert not services.watcher.waiting


@pytest.mark.parametrize("wait", ["-1", "nan", "inf", "soon"])
async def test_a_malformed_wait_is_refused(client: httpx.AsyncClient, wait: str) -> None:
    response = await client.get(f"/v1/jobs/{uuid.uuid4()}", params={"wait": wait})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


async def test_pages_show_every_job_once_newest_first(
    client: httpx.AsyncClient, worker: PretendWorker
) -> None:
    ids = [await submit(client) for _ in range(5)]
    worker.succeed()
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/v1/jobs", params=query)).json()
        seen += [job["id"] for job in page["jobs"]]
        assert all(job["position"] is None for job in page["jobs"])
        cursor = page["next_cursor"]
    assert cursor is None
    assert seen == ids[::-1]
    done = (await client.get("/v1/jobs", params={"status": "succeeded"})).json()
    assert [job["id"] for job in done["jobs"]] == ids[:1]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "201"},
        {"status": "lost"},
        {"cursor": "nonsense"},
        {"cursor": "ज"},
        # base64 of a moment that has no UTC: 0001-01-01T00:00:00+14:00
        {"cursor": "MDAwMS0wMS0wMVQwMDowMDowMCsxNDowMCAwMTlhMmYzYy01YjdlLTdjNDEtOWQ1Mi0wYTZmMWU4YjNjNzc"},
    ],
)
async def test_malformed_queries_are_refused(client: httpx.AsyncClient, query: dict) -> None:
    response = await client.get("/v1/jobs", params=query)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


async def test_counts_of_all_jobs_by_state(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    for _ in range(3):
        await submit(client)
    await anyio.to_thread.run_sync(worker.succeed)
    page = (await client.get("/v1/jobs", params={"counts": "true", "limit": 1, "status": "succeeded"})).json()
    assert page["counts"] == {"queued": 2, "running": 0, "succeeded": 1, "failed": 0, "cancelled": 0}
    assert (await client.get("/v1/jobs")).json()["counts"] is None
