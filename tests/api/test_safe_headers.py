"""Names and texts of strangers reach a browser as data: no answer is run, sniffed, framed or embedded."""

import httpx
import pytest

from shared.settings import Settings
from tests.api.front_end import AUDIO, running
from tests.api.pretend_worker import SEGMENTS, PretendWorker

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
POLICY = "default-src 'none'; frame-ancestors 'none'"
SCRIPT = "<script>alert(1)</script>"
# Types that a browser renders without running anything in them.
INERT = {
    "application/json",
    "application/problem+json",
    "application/x-subrip",
    "image/png",
    "text/plain",
    "text/tab-separated-values",
    "text/vtt",
}


def assert_safe(response: httpx.Response) -> None:
    headers = response.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == POLICY
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    if response.content:
        assert headers["content-type"].partition(";")[0] in INERT


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/v1/jobs", 200),
        ("GET", "/v1/models", 200),
        ("GET", "/metrics", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/v1/jobs/nosuch", 422),
        ("GET", f"/{SCRIPT}", 404),
        ("GET", "/docs-of-somebody", 404),
        ("PUT", "/v1/jobs", 405),
        ("POST", "/v1/audio/transcriptions", 415),
        ("HEAD", "/v1/jobs", 200),
    ],
)
async def test_every_answer(client: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    response = await client.request(method, path)
    assert response.status_code == status
    assert_safe(response)
    assert SCRIPT not in response.text


async def test_an_unexpected_error(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("api.routes.models.installed_models")
    response = await client.get("/v1/models")
    assert response.status_code == 500
    assert_safe(response)


@pytest.mark.parametrize(
    "name",
    [
        "page.html",
        "picture.svg",
        "sheet.xhtml",
        f"{SCRIPT}.html",
        'quo"te.html',
        "line\r\nX-Injected: yes.html",
        "..\\..\\up.svg",
        "%2e%2e%2fup.html",
        "page.html\u202egnp",
    ],
)
async def test_files_named_as_pages(client: httpx.AsyncClient, worker: PretendWorker, name: str) -> None:
    submitted = await client.post("/v1/jobs", files={"file": (name, AUDIO, "text/html")})
    assert_safe(submitted)
    worker.succeed([{**SEGMENTS[1], "text": SCRIPT}])
    job = (await client.get(submitted.headers["location"])).json()
    for link in filter(None, job["links"].values()):
        response = await client.get(link)
        assert response.status_code == 200
        assert_safe(response)
        assert "x-injected" not in response.headers
        disposition = response.headers.get("content-disposition", "")
        assert not disposition.rstrip('"').endswith((".html", ".svg", ".xhtml"))


async def test_the_documentation_may_run_its_scripts(client: httpx.AsyncClient) -> None:
    response = await client.get("/docs")
    assert response.headers["content-security-policy"] == "frame-ancestors 'none'"
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_named_origins_may_embed_pictures(settings: Settings) -> None:
    async with running(settings.model_copy(update={"cors_origins": ["https://example.org"]})) as (_, client):
        response = await client.get("/healthz")
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"
