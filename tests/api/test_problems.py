"""Every error is a problem document, including the router's and the framework's."""

import httpx
import pytest
import structlog.testing

from shared.settings import Settings
from tests.api.front_end import running

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/v1/jobs/", 404, "not_found"),
        ("GET", "/%E0%A4%85", 404, "not_found"),
        ("GET", "/transcribe/", 405, "method_not_allowed"),
        ("PUT", "/v1/jobs", 405, "method_not_allowed"),
        ("PATCH", "/healthz", 405, "method_not_allowed"),
    ],
)
async def test_what_the_router_refuses(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    response = await client.request(method, path)
    problem = response.json()
    assert response.status_code == status == problem["status"]
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["code"] == code
    assert problem["type"] == f"urn:shrutlekh:error:{code}"
    assert problem["instance"] == path
    assert problem["title"]
    assert problem["detail"]


async def test_allow_names_all_methods_of_the_address(client: httpx.AsyncClient) -> None:
    assert (await client.put("/v1/jobs")).headers["allow"] == "GET, HEAD, POST"
    job = "/v1/jobs/019a2f3c-5b7e-7c41-9d52-0a6f1e8b3c77"
    assert (await client.put(job)).headers["allow"] == "GET, HEAD, DELETE"


async def test_the_unexpected_is_logged_and_not_told(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("api.routes.models.installed_models", explode)
    with structlog.testing.capture_logs() as logs:
        response = await client.get("/v1/models")
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "secret" not in response.text
    assert [(line["event"], line["exc_info"]) for line in logs] == [("unexpected_error", True)]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_malformed_id_is_a_sentence(client: httpx.AsyncClient, method: str) -> None:
    response = await client.request(method, "/v1/jobs/nosuch")
    assert response.status_code == 422
    assert response.json()["detail"].startswith("job_id: It is not a job id. An id is a UUID, such as ")


async def test_values_are_not_echoed(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/jobs", params={"limit": "<script>"})
    assert response.status_code == 422
    assert "script" not in response.text
    assert response.json()["errors"][0]["field"] == "limit"


async def test_pages_of_named_origins_may_call(settings: Settings) -> None:
    origin = "https://example.org"
    open_to = settings.model_copy(update={"cors_origins": [origin]})
    async with running(open_to) as (_, client):
        asked = {"Origin": origin, "Access-Control-Request-Method": "DELETE"}
        preflight = await client.options("/v1/jobs/x", headers=asked)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == origin
        assert "DELETE" in preflight.headers["access-control-allow-methods"]
        problem = await client.get("/v1/jobs/x", headers={"Origin": origin})
        assert problem.status_code == 422
        assert problem.headers["access-control-allow-origin"] == origin
        exposed = problem.headers["access-control-expose-headers"]
        assert {"Location", "ETag", "Retry-After", "Link", "Idempotent-Replayed"} <= set(exposed.split(", "))
        foreign = await client.get("/healthz", headers={"Origin": "https://example.com"})
        assert "access-control-allow-origin" not in foreign.headers
