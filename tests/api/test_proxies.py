"""Behind a proxy: its path prefix is in all links, and only trusted proxies are believed."""

import re
import uuid
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest
from pydantic import ValidationError
from shrutlekh import AsyncShrutlekhClient

from shared.settings import Settings
from tests.api.front_end import AUDIO, running
from tests.api.pretend_worker import PretendWorker

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]

PREFIX = "/shrutlekh"
FORWARDED = {"X-Forwarded-Prefix": PREFIX, "X-Forwarded-Proto": "https", "X-Forwarded-Host": "stt.example"}
UNKNOWN = "019a2f3c-5b7e-7c41-9d52-0a6f1e8b3c77"


class Proxy(httpx.ASGITransport):
    """Publishes an application below PREFIX."""

    def __init__(self, app: Any, headers: dict[str, str], *, strips: bool) -> None:
        super().__init__(app)
        self._headers = headers
        self._strips = strips

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not request.url.raw_path.startswith(f"{PREFIX}/".encode()):
            return httpx.Response(404, text="not of this service")
        if self._strips:
            request.url = request.url.copy_with(raw_path=request.url.raw_path[len(PREFIX) :])
        request.headers.update(self._headers)
        return await super().handle_async_request(request)


@pytest.fixture(params=["header", "setting, stripped", "setting, not stripped"])
async def proxy(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[Proxy]:
    by_header = request.param == "header"
    published = settings if by_header else settings.model_copy(update={"root_path": PREFIX})
    async with running(published) as (app, _):
        yield Proxy(app, FORWARDED if by_header else {}, strips="not stripped" not in request.param)


@pytest.fixture
async def browser(proxy: Proxy) -> AsyncIterator[httpx.AsyncClient]:
    """A client that takes addresses as they are in answers."""
    async with httpx.AsyncClient(transport=proxy, base_url="https://stt.example", timeout=20) as client:
        yield client


async def submit(client: httpx.AsyncClient, **headers: str) -> httpx.Response:
    form = {"files": {"file": ("a.wav", AUDIO)}, "data": {"spectrogram": "true"}}
    return await client.post(f"{PREFIX}/v1/jobs", **form, headers=headers)


async def test_links_lead_through_the_proxy(browser: httpx.AsyncClient, worker: PretendWorker) -> None:
    submitted = await submit(browser)
    own = submitted.headers["location"]
    assert own == f"{PREFIX}/v1/jobs/{submitted.json()['id']}"
    await anyio.to_thread.run_sync(worker.succeed)
    job = (await browser.get(own)).json()
    assert job["links"]["self"] == own
    for link in job["links"].values():
        assert (await browser.get(link)).status_code == 200, link
    (listed,) = (await browser.get(f"{PREFIX}/v1/jobs")).json()["jobs"]
    assert listed["links"] == job["links"]
    retried = await browser.post(f"{own}/retry")
    assert retried.json()["instance"] == f"{own}/retry"


async def test_the_simple_forms(browser: httpx.AsyncClient, worker: PretendWorker) -> None:
    async with anyio.create_task_group() as group:

        async def transcribe() -> None:
            response = await browser.post(f"{PREFIX}/transcribe/", files={"file": ("a.wav", AUDIO)})
            own = response.json()["links"]["self"]
            assert own.startswith(f"{PREFIX}/v1/jobs/")
            assert response.headers["location"] == own
            assert response.headers["link"] == f'<{own}>; rel="related"'

        group.start_soon(transcribe)
        while not (await browser.get(f"{PREFIX}/v1/jobs")).json()["jobs"]:
            await anyio.sleep(0.02)
        await anyio.to_thread.run_sync(worker.succeed)


async def test_problem_documents(browser: httpx.AsyncClient) -> None:
    first = await submit(browser, **{"Idempotency-Key": "k"})
    own = first.headers["location"]
    other = await browser.post(
        f"{PREFIX}/v1/jobs", files={"file": ("b.wav", b"other")}, headers={"Idempotency-Key": "k"}
    )
    assert (other.status_code, other.json()["job"]) == (409, own)
    early = await browser.get(f"{own}/transcript")
    assert early.status_code == 409
    assert early.json()["instance"] == f"{own}/transcript"
    assert own in early.json()["detail"]
    nowhere = (await browser.get(f"{PREFIX}/nowhere")).json()
    assert (nowhere["code"], nowhere["instance"]) == ("not_found", f"{PREFIX}/nowhere")


async def test_the_documentation(browser: httpx.AsyncClient) -> None:
    page = (await browser.get(f"{PREFIX}/docs")).text
    (address,) = re.findall(r"url: '([^']+)'", page) or re.findall(r'"url":\s*"([^"]+)"', page)
    document = (await browser.get(address)).json()
    assert document["servers"] == [{"url": PREFIX}]
    for asset in re.findall(r"(?:src|href)=\"([^\"]+)\"", page):
        assert (await browser.get(asset)).status_code == 200, asset


async def test_the_client(proxy: Proxy, browser: httpx.AsyncClient, worker: PretendWorker) -> None:
    url = f"https://stt.example{PREFIX}/"
    async with AsyncShrutlekhClient(url, transport=proxy) as client:
        job = await client.submit(__file__)
        await anyio.to_thread.run_sync(worker.succeed)
        job = await client.wait_for(job.id)
        assert (await client.transcript(job.id))["text"] == "नमस्ते दुनिया हाँ"
        for link in filter(None, job.links.values()):
            assert client.url_of(link) == f"https://stt.example{link}"
            assert (await browser.get(client.url_of(link))).status_code == 200
        assert len((await client.jobs()).jobs) == 1


@pytest.mark.parametrize(
    "value",
    [
        "//evil.example",
        "https://evil.example",
        "/a\nSet-Cookie: x",
        "/a b",
        "/../x",
        "/a/./b",
        "/a?b",
        "/a#b",
        '/"><script>',
        "/%2e%2e",
        "/a//b",
        "shrutlekh",
        "\\evil",
        "/" + "a" * 201,
        "/á",
    ],
)
async def test_prefixes_that_are_no_plain_path_are_ignored(client: httpx.AsyncClient, value: str) -> None:
    headers = [(b"X-Forwarded-Prefix", value.encode())]
    response = await client.get(f"/v1/jobs/{UNKNOWN}", headers=headers)
    assert response.status_code == 404
    assert response.json()["instance"] == f"/v1/jobs/{UNKNOWN}"
    with pytest.raises(ValidationError, match="must be a path"):
        Settings(root_path=value)


async def test_a_repeated_header_is_ignored(client: httpx.AsyncClient) -> None:
    headers = [("X-Forwarded-Prefix", "/a"), ("X-Forwarded-Prefix", "/b")]
    response = await client.get(f"/v1/jobs/{UNKNOWN}", headers=headers)
    assert response.json()["instance"] == f"/v1/jobs/{UNKNOWN}"


@pytest.mark.parametrize("written", ["/deep/er", "/deep/er/"])
async def test_a_prefix_of_several_segments(client: httpx.AsyncClient, written: str) -> None:
    response = await client.get(f"/v1/jobs/{UNKNOWN}", headers={"X-Forwarded-Prefix": written})
    assert response.json()["instance"] == f"/deep/er/v1/jobs/{UNKNOWN}"


async def test_the_header_overrides_the_setting(settings: Settings) -> None:
    async with running(settings.model_copy(update={"root_path": "/set"})) as (_, client):
        for headers, prefix in (({"X-Forwarded-Prefix": "/sent"}, "/sent"), ({}, "/set")):
            problem = (await client.get(f"/v1/jobs/{UNKNOWN}", headers=headers)).json()
            assert problem["instance"] == f"{prefix}/v1/jobs/{UNKNOWN}"
        direct = await client.get("/setting")  # shares letters with the prefix, but is not below it
        assert direct.json()["instance"] == "/set/setting"


@pytest.mark.parametrize(
    ("trusted", "peer", "sent", "client_name"),
    [
        ("127.0.0.1,::1", "127.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("10.0.0.0/8", "10.1.2.3", "203.0.113.9, 192.0.2.7", "192.0.2.7"),  # the first is the client's claim
        ("10.0.0.0/8", "10.1.2.3", "192.0.2.7, 10.9.9.9", "192.0.2.7"),  # a second trusted proxy
        ("2001:db8::/32", "2001:db8::1", "2001:db8:ffff::1, 2001:DB9::5", "2001:db9::5"),
        ("127.0.0.1,::1", "127.0.0.1", "unknown", ""),
        ("127.0.0.1,::1", "198.51.100.4", "192.0.2.7", "198.51.100.4"),
        ("none", "127.0.0.1", "192.0.2.7", "127.0.0.1"),
    ],
)
async def test_who_submitted(
    settings: Settings, trusted: str, peer: str, sent: str, client_name: str
) -> None:
    configured = Settings(**{**settings.model_dump(), "trusted_proxies": trusted})
    async with running(configured) as (app, _):
        transport = httpx.ASGITransport(app, client=(peer, 5))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            headers = {"X-Forwarded-For": sent, "X-Forwarded-Prefix": PREFIX}
            response = await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)}, headers=headers)
    assert response.json()["client"] == client_name
    is_trusted = client_name != peer
    assert response.headers["location"].startswith(PREFIX if is_trusted else "/v1/jobs/")


async def test_without_a_proxy_nothing_changes(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)})
    assert response.headers["location"] == f"/v1/jobs/{uuid.UUID(response.json()['id'])}"
    assert "servers" not in (await client.get("/openapi.json")).json()
