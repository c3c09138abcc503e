"""GET /metrics."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.settings import Settings
from tests.api.front_end import running
from tests.api.pretend_worker import PretendWorker

pytestmark = pytest.mark.anyio

Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def scrape(client: httpx.AsyncClient) -> Values:
    response = await client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


async def test_queue_and_submissions(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    before = await scrape(client)
    assert before["shrutlekh_jobs", (("status", "queued"),)] == 0
    assert before["shrutlekh_oldest_queued_seconds", ()] == 0
    for _ in range(3):
        answer = await client.post("/v1/jobs", files={"file": b"12345"}, headers={"Idempotency-Key": "one"})
        assert answer.status_code == 202
    worker.beat()
    found = await scrape(client)
    assert found["shrutlekh_jobs", (("status", "queued"),)] == 1
    assert found["shrutlekh_jobs_submitted_total", ()] == 1
    assert found["shrutlekh_upload_bytes_total", ()] == 5
    assert 0 < found["shrutlekh_oldest_queued_seconds", ()] < 60
    assert found["shrutlekh_workers", ()] == 1
    assert found["shrutlekh_disk_free_bytes", ()] > 0


async def test_requests_count_by_pattern_and_status(client: httpx.AsyncClient) -> None:
    for number in range(3):
        await client.get(f"/v1/jobs/0189000{number}-0000-7000-8000-000000000000")
        await client.get(f"/guess/{number}")
    found = await scrape(client)
    counts = {
        dict(labels)["route"]: (dict(labels)["status"], value)
        for (name, labels), value in found.items()
        if name == "shrutlekh_http_request_seconds_count"
    }
    assert counts == {"/v1/jobs/{job_id}": ("404", 3.0), "(none)": ("404", 3.0)}


async def test_without_database_and_redis(settings: Settings) -> None:
    away = Settings(
        **{
            **settings.model_dump(),
            "database_url": "postgresql+psycopg://nobody@127.0.0.1:1/none",
            "redis_url": "unix:///nowhere/redis.sock",
        }
    )
    async with running(away) as (_, client):
        found = await scrape(client)
    assert found["shrutlekh_database_up", ()] == 0
    assert found["shrutlekh_redis_up", ()] == 0
    assert found["shrutlekh_workers", ()] == 0
    assert not [name for name, _ in found if name == "shrutlekh_jobs"]
