"""The OpenAPI document matches the routes."""

import re
from typing import Any

import httpx
import jsonschema_rs
import openapi_spec_validator
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
        "PUT /v1/jobs/{job_id}/transcript",
        "GET /v1/jobs/{job_id}/revisions",
        "DELETE /v1/jobs/{job_id}/revisions",
        "GET /v1/jobs/{job_id}/waveform.png",
        "GET /v1/jobs/{job_id}/waveform.json",
        "GET /v1/jobs/{job_id}/spectrogram.png",
        "GET /v1/jobs/{job_id}/recording",
        "POST /v1/jobs/{job_id}/recording/ticket",
        "GET /v1/events",
        "POST /v1/batches",
        "GET /v1/batches",
        "GET /v1/batches/{batch_id}",
        "GET /v1/batches/{batch_id}/results.zip",
        "DELETE /v1/batches/{batch_id}",
        "GET /v1/jobs/{job_id}/events",
        "GET /v1/batches/{batch_id}/events",
        "GET /v1/webhooks/secret",
        "POST /v1/webhooks/secret/rotate",
        "GET /v1/webhooks/deliveries",
        "POST /v1/webhooks/deliveries/{delivery_id}/retry",
        "POST /transcribe/",
        "POST /visualize/",
        "POST /v1/audio/transcriptions",
        "GET /v1/models",
        "GET /v1/models/{model}",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
    }


# Programs are generated from these. A new route adds its own; none is ever renamed.
OPERATION_IDS = {
    "checkHealth",
    "checkReadiness",
    "createTranscription",
    "deleteJob",
    "deleteRevisions",
    "listRevisions",
    "putTranscript",
    "submitBatch",
    "listBatches",
    "pollBatch",
    "deleteBatch",
    "getResultsZip",
    "eventsOfJobs",
    "getRecording",
    "issueTicket",
    "jobEvents",
    "batchEvents",
    "showWebhookSecret",
    "rotateWebhookSecret",
    "listDeliveries",
    "retryDelivery",
    "getMetrics",
    "getModel",
    "getSpectrogramPng",
    "getTranscript",
    "getWaveformJson",
    "getWaveformPng",
    "listJobs",
    "listModels",
    "pollJob",
    "retryJob",
    "submitJob",
    "transcribe",
    "visualize",
}


async def test_the_operation_ids_are_stable(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    assert set(ids) == OPERATION_IDS


async def test_the_document_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    openapi_spec_validator.validate(document)


async def test_examples_match_their_schemas(document: dict[str, Any]) -> None:
    for name, content in described(document):
        schema = {"components": document["components"], **content.get("schema", {})}
        shown = [content["example"]] if "example" in content else []
        shown += [example["value"] for example in content.get("examples", {}).values()]
        if name.endswith(EVENT_STREAM):
            shown = [{"data": event} for event in shown]
        for example in shown:
            jsonschema_rs.validate(schema, example)
    for schema in document["components"]["schemas"].values():
        for example in schema.get("examples", ()):
            jsonschema_rs.validate({"components": document["components"], **schema}, example)


EVENT_STREAM = "text/event-stream"


def described(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """All contents of requests and answers."""
    return [
        (f"{name} {media_type}", content)
        for name, operation in operations(document)
        for message in (operation.get("requestBody", {}), *operation["responses"].values())
        for media_type, content in message.get("content", {}).items()
    ]


async def test_every_request_has_an_example(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            assert "examples" in content, (name, media_type)


async def test_errors_are_problem_documents_with_their_codes(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            if status < "400" or name == "GET /readyz":
                continue
            content = response["content"]
            is_openai = "/v1/audio/" in name
            media_type = "application/json" if is_openai else "application/problem+json"
            assert list(content) == [media_type], (name, status)
            examples = content[media_type]["examples"]
            assert examples, (name, status)
            for code, example in examples.items():
                if is_openai:
                    assert set(example["value"]["error"]) == {"message", "type", "param", "code"}
                    assert example["value"]["error"]["code"] == code
                    continue
                assert example["value"]["code"] == code
                assert str(example["value"]["status"]) == status


BINARY = {"image/png", "application/zip", "application/octet-stream", "audio/*", "video/*"}


async def test_every_answer_has_an_example(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            for media_type, content in response.get("content", {}).items():
                if media_type in BINARY:
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
        == {"file", "transcript", "waveform", "spectrogram", "priority", "client", "strict", "webhook_url"}
        | listening
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
