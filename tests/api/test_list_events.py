"""GET /v1/events: many jobs on one connection, as the page's list follows them."""

import contextlib
import uuid
from collections.abc import AsyncIterator

import httpx
import pytest

from api.__main__ import Server
from api.routes import events
from api.services import Services
from shared.database import Database
from shared.settings import Settings
from tests.api.front_end import AUDIO, serving, submit
from tests.api.keys import bearer, make_key
from tests.api.listeners import Event, Listener, Steps, in_thread

pytestmark = pytest.mark.anyio


@pytest.fixture
async def served(settings: Settings) -> AsyncIterator[tuple[Server, httpx.AsyncClient]]:
    async with serving(settings) as server_and_client:
        yield server_and_client


@pytest.fixture
def client(served: tuple[Server, httpx.AsyncClient]) -> httpx.AsyncClient:
    return served[1]


@pytest.fixture
def services(served: tuple[Server, httpx.AsyncClient]) -> Services:
    services: Services = served[0]._app.state.services
    return services


@pytest.fixture
def steps(database: Database, services: Services) -> Steps:
    return Steps(database, services.files)


@contextlib.asynccontextmanager
async def following(client: httpx.AsyncClient, *jobs: object, **headers: str) -> AsyncIterator[Listener]:
    query = [("job", str(job)) for job in jobs]
    async with client.stream("GET", "/v1/events", params=query, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        yield Listener(response)


async def next_of(listener: Listener, name: str) -> Event:
    return (await listener.until(name))[-1]


async def test_a_list_sees_each_job_now_and_when_it_changes(client: httpx.AsyncClient, steps: Steps) -> None:
    first, second = await submit(client), await submit(client)
    async with following(client, second, first) as listener:
        assert listener.response.headers["content-type"].startswith("text/event-stream")
        now = [await next_of(listener, "job") for _ in range(2)]
        assert [(one.data["id"], one.data["status"], one.data["position"]) for one in now] == [
            (second, "queued", 1),
            (first, "queued", 0),
        ]
        await in_thread(steps.claim)
        claimed = await next_of(listener, "job")
        running, waiting = (first, second) if str(steps.job.id) == first else (second, first)
        seen = {claimed.data["id"]: claimed.data}
        while seen.get(running, {}).get("status") != "running" or seen.get(waiting, {}).get("position") != 0:
            one = await next_of(listener, "job")
            seen[one.data["id"]] = one.data
        await in_thread(lambda: steps.save(2))
        segment = await next_of(listener, "segment")
        assert (segment.data["job_id"], segment.data["position"], segment.data["text"]) == (
            running,
            1,
            "शब्द 1",
        )
        await in_thread(lambda: steps.succeed())
        ended = await next_of(listener, "job")
        while ended.data["status"] != "succeeded":
            ended = await next_of(listener, "job")
        assert ended.data["links"]["transcript"]
        assert (await client.delete(f"/v1/jobs/{waiting}")).status_code == 200
        *_, cancelled, end = await listener.until("end")
        assert (cancelled.data["id"], cancelled.data["status"]) == (waiting, "cancelled")
        assert end.data == {}
        assert await listener.next() is None


async def test_what_has_ended_is_shown_once(client: httpx.AsyncClient) -> None:
    job = await submit(client)
    await client.delete(f"/v1/jobs/{job}")
    async with following(client, job, job) as listener:
        assert [event.name for event in await listener.rest()] == ["job", "end"]


async def test_jobs_that_do_not_exist_are_erased(client: httpx.AsyncClient) -> None:
    unknown, job = uuid.uuid4(), await submit(client)
    async with following(client, unknown, job) as listener:
        erased = await next_of(listener, "erased")
        assert erased.data == {"id": str(unknown)}
        await next_of(listener, "job")
        await client.delete(f"/v1/jobs/{job}")
        await client.delete(f"/v1/jobs/{job}")
        assert {event.name for event in await listener.rest()} <= {"job", "erased", "end"}
    async with following(client, unknown) as listener:
        assert [event.name for event in await listener.rest()] == ["erased", "end"]


async def test_jobs_of_other_tenants_do_not_exist(settings: Settings, database: Database) -> None:
    mine, others = bearer(make_key(database)), bearer(make_key(database))
    async with serving(settings.model_copy(update={"require_keys": "always"})) as (_, client):
        answer = await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)}, headers=mine)
        async with following(client, answer.json()["id"], **others) as listener:
            assert [event.name for event in await listener.rest()] == ["erased", "end"]
        async with following(client, answer.json()["id"], **mine) as listener:
            assert (await next_of(listener, "job")).data["status"] == "queued"


async def test_a_position_changes_without_its_job(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "POSITION_SECONDS", 0.2)
    first, second = await submit(client), await submit(client)
    async with following(client, second) as listener:
        assert (await next_of(listener, "job")).data["position"] == 1
        await client.delete(f"/v1/jobs/{first}")
        assert (await next_of(listener, "job")).data["position"] == 0


@pytest.mark.parametrize("query", ["", "?job=x", "?job=" + "&job=".join([str(uuid.UUID(int=1))] * 101)])
async def test_a_list_is_between_one_and_a_hundred(client: httpx.AsyncClient, query: str) -> None:
    response = await client.get(f"/v1/events{query}")
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


async def test_a_hundred_jobs_are_one_listener(client: httpx.AsyncClient, services: Services) -> None:
    jobs = [await submit(client, f"{number}.wav") for number in range(100)]
    async with following(client, *jobs) as listener:
        for _ in jobs:
            await next_of(listener, "job")
        assert services.watcher.waiting == 1


async def test_jobs_by_name(client: httpx.AsyncClient) -> None:
    for name in ("साक्षात्कार 1.wav", "Interview_2.wav", "100%.wav", "a_b.wav"):
        await submit(client, name)

    async def named(text: str, **more: str) -> list[str]:
        page = (await client.get("/v1/jobs", params={"name": text, **more})).json()
        return [job["file"]["name"] for job in page["jobs"]]

    assert await named("interview") == ["Interview_2.wav"]
    assert await named("साक्षात्कार") == ["साक्षात्कार 1.wav"]
    assert await named("%") == ["100%.wav"]
    assert await named("_") == ["a_b.wav", "Interview_2.wav"]
    assert await named(".wav", status="running") == []
    assert len(await named("")) == 4
    assert await named("nothing") == []
    first = (await client.get("/v1/jobs", params={"name": "wav", "limit": "3"})).json()
    rest = (
        await client.get("/v1/jobs", params={"name": "wav", "limit": "3", "cursor": first["next_cursor"]})
    ).json()
    assert len(first["jobs"]) == 3
    assert len(rest["jobs"]) == 1
    assert (await client.get("/v1/jobs", params={"name": "\0"})).status_code == 422
