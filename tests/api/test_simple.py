"""POST /transcribe/ and POST /visualize/: upload, wait, get the result."""

import asyncio
import time
from pathlib import Path

import anyio
import httpx
import pytest

from shared.jobs.job_options import options_of
from shared.settings import Settings
from tests.api.front_end import AUDIO, give_language_model, running
from tests.api.pretend_worker import NUMBERS, PNG, SEGMENTS, PretendWorker
from transcript.formats import MEDIA_TYPES, Format

pytestmark = pytest.mark.anyio


async def send(
    client: httpx.AsyncClient, path: str, accept: str = "*/*", **form: str
) -> asyncio.Task[httpx.Response]:
    """Start the request and wait until its job is queued."""
    files, headers = {"file": ("a.wav", AUDIO)}, {"Accept": accept}
    task = asyncio.create_task(client.post(path, files=files, data=form, headers=headers))
    async with asyncio.timeout(5):
        while not (await client.get("/v1/jobs")).json()["jobs"]:
            await asyncio.sleep(0.02)
    return task


async def test_transcribe(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    request = await send(client, "/transcribe/")
    job = await anyio.to_thread.run_sync(worker.succeed)
    response = await request
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["text"] == "नमस्ते दुनिया हाँ"
    assert (body["id"], body["language"], body["seconds"]) == (str(job.id), "hi", 4.0)
    assert body["segments"] == SEGMENTS
    assert response.headers["location"] == body["links"]["self"]
    assert (await client.get(body["links"]["transcript"])).status_code == 200


async def test_visualize(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    request = await send(client, "/visualize/", model="hi-ctc-base")
    job = await anyio.to_thread.run_sync(worker.succeed)
    assert job.transcript is False
    response = await request
    assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
    assert response.content == PNG
    assert response.headers["location"] == f"/v1/jobs/{job.id}"
    assert f"</v1/jobs/{job.id}>" in response.headers["link"]


@pytest.mark.parametrize("path", ["/transcribe", "/visualize"])
async def test_the_slash_may_be_left_out(client: httpx.AsyncClient, worker: PretendWorker, path: str) -> None:
    request = await send(client, path)
    await anyio.to_thread.run_sync(worker.succeed)
    assert (await request).status_code == 200


@pytest.mark.parametrize(("code", "status"), [("audio_unreadable", 422), ("attempts_exhausted", 500)])
@pytest.mark.parametrize("path", ["/transcribe/", "/visualize/"])
async def test_a_failure_is_the_requests(
    client: httpx.AsyncClient, worker: PretendWorker, path: str, code: str, status: int
) -> None:
    request = await send(client, path)
    job = await anyio.to_thread.run_sync(lambda: worker.fail(code, "It went wrong."))
    response = await request
    assert response.status_code == status
    problem = response.json()
    assert (problem["code"], problem["detail"]) == (code, "It went wrong.")
    assert problem["job"] == f"/v1/jobs/{job.id}"


async def test_a_cancelled_job_is_a_conflict(client: httpx.AsyncClient) -> None:
    request = await send(client, "/transcribe/")
    (job,) = (await client.get("/v1/jobs")).json()["jobs"]
    await client.delete(job["links"]["self"])
    response = await request
    assert (response.status_code, response.json()["code"]) == (409, "job_has_no_result")


async def test_patience_ends_but_the_job_goes_on(settings: Settings, worker: PretendWorker) -> None:
    hasty = settings.model_copy(update={"simple_wait_seconds": 0.2})
    async with running(hasty) as (_, client):
        response = await client.post("/transcribe/", files={"file": ("a.wav", AUDIO)})
        assert (response.status_code, response.json()["code"]) == (504, "still_running")
        link = response.json()["job"]
        assert (await client.get(link)).json()["status"] == "queued"
        worker.succeed()
        assert (await client.get(f"{link}/transcript")).status_code == 200


@pytest.mark.parametrize(
    ("path", "known"),
    [
        (
            "/transcribe/",
            "channels, decoder, file, format, hotword_weight, hotwords, model, numerals, strict",
        ),
        ("/visualize/", "file, model, strict"),
    ],
)
async def test_what_may_be_chosen(client: httpx.AsyncClient, path: str, known: str) -> None:
    response = await client.post(path, files={"file": ("a.wav", AUDIO)}, data={"waveform": "true"})
    assert response.status_code == 422
    assert response.json()["errors"] == [
        {"field": "waveform", "message": f"Unknown field. Allowed fields: {known}."}
    ]


@pytest.mark.parametrize("path", ["/v1/jobs", "/transcribe/"])
@pytest.mark.parametrize("misspelt", ["hotword", "hot_words", "Hotwords"])
async def test_a_misspelt_field_is_named_with_the_nearest(
    client: httpx.AsyncClient, path: str, misspelt: str
) -> None:
    response = await client.post(path, files={"file": ("a.wav", AUDIO)}, data={misspelt: "मसूरी"})
    assert response.status_code == 422
    assert response.json()["detail"].startswith(f"{misspelt}: Unknown field. Did you mean hotwords?")


@pytest.mark.parametrize(
    ("path", "field", "message"),
    [
        ("/transcribe/", "format", "Send it as a field of the form, not in the URL."),
        ("/v1/jobs", "model", "Send it as a field of the form, not in the URL."),
        ("/visualize/", "format", "Unknown field. Allowed fields: file, model, strict."),
    ],
)
async def test_options_in_the_url_are_refused(
    client: httpx.AsyncClient, path: str, field: str, message: str
) -> None:
    files = {"file": ("a.wav", AUDIO)}
    response = await client.post(path, files=files, params={field: "srt"})
    assert response.status_code == 422
    assert response.json()["errors"] == [{"field": field, "message": message}]
    assert not (await client.get("/v1/jobs")).json()["jobs"]


@pytest.mark.parametrize("by", ["field", "accept", "field before accept"])
@pytest.mark.parametrize("chosen", list(Format))
async def test_the_format_is_that_of_the_transcript(
    client: httpx.AsyncClient, worker: PretendWorker, chosen: Format, by: str
) -> None:
    form = {} if by == "accept" else {"format": chosen.value}
    accept = {"field": "*/*", "accept": MEDIA_TYPES[chosen].partition(";")[0]}.get(by, "text/vtt")
    request = await send(client, "/transcribe/", accept, **form)
    job = await anyio.to_thread.run_sync(worker.succeed)
    response = await request
    transcript = await client.get(f"/v1/jobs/{job.id}/transcript", params={"format": chosen.value})
    for name in ("content-type", "content-disposition", "vary"):
        assert response.headers[name] == transcript.headers[name]
    assert response.headers["location"] == f"/v1/jobs/{job.id}"
    if chosen is Format.JSON:
        assert response.json()["text"] == transcript.json()["text"]
    else:
        assert response.text == transcript.text


async def test_a_format_that_does_not_exist(client: httpx.AsyncClient) -> None:
    response = await client.post("/transcribe/", files={"file": ("a.wav", AUDIO)}, data={"format": "doc"})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "format")


async def test_how_to_listen_and_how_to_write(
    client: httpx.AsyncClient, worker: PretendWorker, models_dir: Path
) -> None:
    give_language_model(models_dir)
    form = {"channels": "each", "hotwords": "मसूरी", "hotword_weight": "2", "numerals": "devanagari"}
    request = await send(client, "/transcribe/", **form)
    job = await anyio.to_thread.run_sync(lambda: worker.succeed(NUMBERS))
    asked = options_of(job)
    assert (asked.channels, asked.hotwords, asked.hotword_weight, asked.decoder) == (
        "each",
        ("मसूरी",),
        2.0,
        None,
    )
    body = (await request).json()
    assert body["text"] == "कुल २५"
    assert body["segments"][0]["words"][1]["spoken"] == "पच्चीस"


async def test_without_redis(settings: Settings, worker: PretendWorker, tmp_path: Path) -> None:
    away = settings.model_copy(update={"redis_url": f"unix://{tmp_path}/no.sock"})
    async with running(away) as (_, client):
        request = await send(client, "/transcribe/")
        await anyio.to_thread.run_sync(worker.succeed)
        ended = time.monotonic()
        assert (await request).status_code == 200
        assert time.monotonic() - ended < 20
