"""The OpenAPI document matches the routes."""

import re
from typing import Any

import httpx
import pytest

from transcript.formats import MEDIA_TYPES

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


@pytest.fixture
async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    return (await client.get("/openapi.json")).json()


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


async def test_the_routes_are_those_of_the_contract(document: dict[str, Any]) -> None:
    assert {name for name, _ in operations(document)} == {
        "POST /v1/jobs",
        "GET /v1/jobs",
        "GET /v1/jobs/{job_id}",
        "DELETE /v1/jobs/{job_id}",
        "POST /v1/jobs/{job_id}/retry",
        "GET /v1/jobs/{job_id}/transcript",
        "GET /v1/jobs/{job_id}/waveform.png",
        "GET /v1/jobs/{job_id}/waveform.json",
        "GET /v1/jobs/{job_id}/events",
        "GET /v1/batches/{batch_id}/events",
        "GET /v1/webhooks/secret",
        "POST /v1/webhooks/secret/rotate",
        "GET /v1/webhooks/deliveries",
        "POST /v1/webhooks/deliveries/{delivery_id}/retry",
        "POST /transcribe/",
        "POST /visualize/",
        "GET /v1/models",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
    }


async def test_errors_are_problem_documents_with_their_codes(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            if status < "400" or name == "GET /readyz":
                continue
            content = response["content"]
            assert list(content) == ["application/problem+json"], (name, status)
            examples = content["application/problem+json"]["examples"]
            assert examples, (name, status)
            for code, example in examples.items():
                assert example["value"]["code"] == code
                assert str(example["value"]["status"]) == status


async def test_every_answer_has_an_example(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            for media_type, content in response.get("content", {}).items():
                if media_type == "image/png":
                    continue
                schema = content.get("schema", {})
                model = document["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], {})
                shown = "example" in content or "examples" in content or "examples" in model
                assert shown, (name, status, media_type)


async def test_who_shall_come_again_is_told_when(document: dict[str, Any]) -> None:
    submit = document["paths"]["/v1/jobs"]["post"]
    assert {"429", "503", "507"} <= set(submit["responses"])
    for status in ("429", "503", "507"):
        assert "Retry-After" in submit["responses"][status]["headers"]


async def test_the_idempotency_key_is_described(document: dict[str, Any]) -> None:
    submit = document["paths"]["/v1/jobs"]["post"]
    (header,) = submit["parameters"]
    assert (header["name"].lower(), header["in"]) == ("idempotency-key", "header")
    assert "Idempotent-Replayed" in submit["responses"]["202"]["headers"]
    assert "idempotency_conflict" in submit["responses"]["409"]["description"]


async def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    def walk(node: object) -> None:
        if isinstance(node, dict):
            if isinstance(reference := node.get("$ref"), str):
                assert reference.rpartition("/")[2] in document["components"]["schemas"], reference
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(document)


async def test_forms_are_described(document: dict[str, Any]) -> None:
    form = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["file"]
    listening = {"model", "decoder", "hotwords", "hotword_weight", "channels"}
    assert (
        set(form["properties"])
        == {"file", "transcript", "waveform", "priority", "client", "strict", "webhook_url"} | listening
    )
    form = document["paths"]["/transcribe/"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert set(form["schema"]["properties"]) == {"file", "format", "numerals", "strict"} | listening


async def test_every_format_of_a_transcript_is_described(document: dict[str, Any]) -> None:
    routes = (
        document["paths"]["/v1/jobs/{job_id}/transcript"]["get"],
        document["paths"]["/transcribe/"]["post"],
    )
    for route in routes:
        content = route["responses"]["200"]["content"]
        assert set(content) == {media_type.partition(";")[0] for media_type in MEDIA_TYPES.values()}


async def test_the_documentation_page_asks_nobody_else(client: httpx.AsyncClient) -> None:
    page = (await client.get("/docs")).text
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", page)
    for asset in re.findall(r"(?:src|href)=\"([^\"]+)\"", page):
        assert (await client.get(asset)).status_code == 200, asset
