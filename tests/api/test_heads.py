"""HEAD answers wherever GET does, with the same status and headers."""

from collections.abc import Iterator

import anyio
import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route

from api.page_files import page_files
from tests.api.front_end import submit
from tests.api.pretend_worker import PretendWorker
from tests.conftest import MODEL
from transcript.formats import Format

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]

# To GET it streams until the job has ended; tests/api/test_events.py sends HEAD before that.
ENDLESS = {"/v1/jobs/{job_id}/events", "/v1/events?job={job_id}"}
# Paths that need more.
REQUESTS = {
    "/v1/events": "/v1/events?job={job_id}",
    "/web/{version}/{name:path}": f"/web/{page_files().version}/main.js",
}
OTHER_AT_EACH_REQUEST = {"/metrics"}  # its text counts the requests
UNKNOWN = "019a2f3c-5b7e-7c41-9d52-0a6f1e8b3c77"


def flat(routes: list[BaseRoute]) -> Iterator[Route | APIRoute]:
    """All routes with a path and methods, also those of included routers."""
    for route in routes:
        if isinstance(route, Route):
            yield route
        else:
            yield from flat(list(getattr(route, "routes", None) or []))


def got(app: FastAPI) -> set[str]:
    """The path patterns that GET finds: those of the OpenAPI document and the documentation's own."""
    documented = {path for path, methods in app.openapi()["paths"].items() if "get" in methods}
    hidden = {route.path for route in flat(app.routes) if "GET" in (route.methods or ())}
    return {REQUESTS.get(path, path) for path in documented | hidden}


async def assert_alike(client: httpx.AsyncClient, path: str, **headers: str) -> httpx.Response:
    got = await client.get(path, headers=headers)
    head = await client.head(path, headers=headers)
    assert head.status_code == got.status_code, path
    assert head.content == b""
    ours, its = dict(got.headers), dict(head.headers)
    if path in OTHER_AT_EACH_REQUEST:
        assert int(ours.pop("content-length")) > 0
        assert int(its.pop("content-length")) > 0
    assert its == ours, path
    return head


async def test_every_route(front_end: tuple[FastAPI, httpx.AsyncClient], worker: PretendWorker) -> None:
    app, client = front_end
    queued = await submit(client, spectrogram="true")
    paths = {path for path in got(app) if "{batch_id}" not in path}  # there is no batch
    assert {"/docs", "/openapi.json", "/metrics", "/v1/jobs/{job_id}/waveform.png"} <= paths
    for path in paths - ENDLESS:  # unfinished: 409 for the results
        await assert_alike(client, path.replace("{job_id}", queued).replace("{model}", MODEL))
    await anyio.to_thread.run_sync(worker.succeed)
    for path in paths:
        head = await assert_alike(client, path.replace("{job_id}", queued).replace("{model}", MODEL))
        assert head.status_code in {200, 503}, path
        assert ("content-length" in head.headers) == (path not in ENDLESS), path
    for path in paths:
        if "{job_id}" in path:
            expected = 200 if "?" in path else 404  # a list tells which of its jobs do not exist
            assert (await assert_alike(client, path.replace("{job_id}", UNKNOWN))).status_code == expected
            assert (await assert_alike(client, path.replace("{job_id}", "x"))).status_code == 422


@pytest.mark.parametrize("form", list(Format))
async def test_transcripts(client: httpx.AsyncClient, worker: PretendWorker, form: Format) -> None:
    job_id = await submit(client)
    await anyio.to_thread.run_sync(worker.succeed)
    path = f"/v1/jobs/{job_id}/transcript?format={form}"
    head = await assert_alike(client, path)
    assert head.headers["content-disposition"]
    unchanged = await assert_alike(client, path, **{"If-None-Match": head.headers["etag"]})
    assert unchanged.status_code == 304


async def test_a_long_poll_waits_like_get(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    job_id = await submit(client)
    heads: list[httpx.Response] = []

    async def wait() -> None:
        heads.append(await client.head(f"/v1/jobs/{job_id}", params={"wait": 20}))

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        await anyio.sleep(0.1)
        assert not heads
        await anyio.to_thread.run_sync(worker.succeed)
    now = await client.get(f"/v1/jobs/{job_id}")
    assert heads[0].headers["etag"] == now.headers["etag"]


async def test_where_get_is_not_allowed(client: httpx.AsyncClient) -> None:
    response = await client.head("/transcribe/")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert (await client.head("/nowhere")).status_code == 404


async def test_no_operation_is_doubled(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    operations = [one for methods in document["paths"].values() for one in methods.items()]
    assert "head" not in {method for method, _ in operations}
    names = [operation["operationId"] for _, operation in operations]
    assert len(names) == len(set(names))
