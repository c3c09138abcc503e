"""A query parameter that a route does not have is refused, because it would have no effect."""

import httpx
import pytest

from tests.api.front_end import AUDIO

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
JOB = "/v1/jobs/019a2f3c-5b7e-7c41-9d52-0a6f1e8b3c77"


@pytest.mark.parametrize(
    ("method", "url", "message"),
    [
        (
            "GET",
            "/v1/jobs?state=queued",
            "state: Unknown query parameter. Did you mean status? "
            "Allowed query parameters: batch, counts, cursor, limit, name, status.",
        ),
        ("GET", "/v1/jobs?limt=5", "limt: Unknown query parameter. Did you mean limit? Allowed"),
        ("GET", f"{JOB}?waits=3", "waits: Unknown query parameter. Did you mean wait? Allowed"),
        ("GET", f"{JOB}/transcript?form=srt", "form: Unknown query parameter. Did you mean format? Allowed"),
        ("DELETE", f"{JOB}?force=1", "force: Unknown query parameter. This route has no query parameters."),
        ("POST", f"{JOB}/retry?model=a", "model: Unknown query parameter. This route has no"),
        ("GET", "/v1/models?x=1", "x: Unknown query parameter. This route has no"),
        ("POST", "/v1/jobs?colour=red", "colour: Unknown field. Allowed fields: channels, client, "),
        ("POST", "/v1/jobs?model=a", "model: Send it as a field of the form, not in the URL."),
    ],
)
async def test_unknown_parameters(client: httpx.AsyncClient, method: str, url: str, message: str) -> None:
    files = {"file": ("a.wav", AUDIO)} if url.startswith("/v1/jobs?") and method == "POST" else None
    response = await client.request(method, url, files=files)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "invalid_request")
    assert problem["detail"].startswith(message)
    assert [error["field"] for error in problem["errors"]] == [message.partition(":")[0]]
    assert not (await client.get("/v1/jobs")).json()["jobs"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"])
async def test_probes_and_pages_may_have_any(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path, params={"verbose": "1"})).status_code in (200, 503)


async def test_a_long_name_is_cut(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/jobs", params={"x" * 1000: "1"})
    assert response.json()["errors"][0]["field"] == "x" * 64
