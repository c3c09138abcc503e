"""Transcripts, pictures and peaks, and the errors for jobs that have none."""

import httpx
import pytest

from tests.api.front_end import submit
from tests.api.pretend_worker import PEAKS, PNG, SEGMENTS, PretendWorker

pytestmark = pytest.mark.anyio


async def test_the_transcript(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    job_id = await submit(client)
    worker.succeed()
    response = await client.get(f"/v1/jobs/{job_id}/transcript")
    assert response.headers["content-type"] == "application/json"
    assert "नमस्ते".encode() in response.content
    assert response.json() == {
        "job_id": job_id,
        "revision": None,
        "model": "hi-ctc-base",
        "model_version": None,
        "language": "hi",
        "seconds": 4.0,
        "speech_seconds": 1.5,
        "no_speech": False,
        "warnings": [],
        "text": "नमस्ते दुनिया हाँ",
        "segments": SEGMENTS,
    }


async def test_the_transcript_as_text(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    job_id = await submit(client)
    worker.succeed()
    response = await client.get(f"/v1/jobs/{job_id}/transcript", params={"format": "txt"})
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text == "नमस्ते दुनिया हाँ\n"


async def test_silence_is_an_empty_transcript(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    job_id = await submit(client)
    worker.succeed([])
    transcript = (await client.get(f"/v1/jobs/{job_id}/transcript")).json()
    assert (transcript["text"], transcript["segments"], transcript["no_speech"]) == ("", [], True)
    assert (await client.get(f"/v1/jobs/{job_id}/transcript?format=txt")).text == ""


async def test_the_picture_and_the_peaks(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    job_id = await submit(client)
    worker.succeed()
    picture = await client.get(f"/v1/jobs/{job_id}/waveform.png")
    assert (picture.headers["content-type"], picture.content) == ("image/png", PNG)
    assert "private" in picture.headers["cache-control"]
    known = {"If-None-Match": picture.headers["etag"]}
    assert (await client.get(f"/v1/jobs/{job_id}/waveform.png", headers=known)).status_code == 304
    assert (await client.get(f"/v1/jobs/{job_id}/waveform.json")).json() == PEAKS


async def test_the_spectrogram(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    job_id = await submit(client, spectrogram="true")
    assert (await client.get(f"/v1/jobs/{job_id}")).json()["links"]["spectrogram_png"] is None
    worker.succeed()
    job = (await client.get(f"/v1/jobs/{job_id}")).json()
    assert job["spectrogram"] is True
    picture = await client.get(job["links"]["spectrogram_png"])
    assert (picture.headers["content-type"], picture.content) == ("image/png", PNG)
    known = {"If-None-Match": picture.headers["etag"]}
    assert (await client.get(job["links"]["spectrogram_png"], headers=known)).status_code == 304


async def test_a_job_without_a_spectrogram(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    job_id = await submit(client)
    worker.succeed()
    assert (await client.get(f"/v1/jobs/{job_id}")).json()["links"]["spectrogram_png"] is None
    response = await client.get(f"/v1/jobs/{job_id}/spectrogram.png")
    assert (response.status_code, response.json()["code"]) == (404, "spectrogram_not_made")


@pytest.mark.parametrize(
    "result", ["transcript", "transcript?format=srt", "waveform.png", "waveform.json", "spectrogram.png"]
)
async def test_there_is_nothing_yet(client: httpx.AsyncClient, worker: PretendWorker, result: str) -> None:
    job_id = await submit(client)
    for _ in range(2):
        response = await client.get(f"/v1/jobs/{job_id}/{result}")
        assert (response.status_code, response.json()["code"]) == (409, "job_not_finished")
        if not _:
            worker.claim()


@pytest.mark.parametrize("result", ["transcript", "waveform.png", "waveform.json"])
async def test_there_will_never_be_anything(
    client: httpx.AsyncClient, worker: PretendWorker, result: str
) -> None:
    failed = await submit(client)
    worker.fail("audio_unreadable", "The file holds no audio.")
    response = await client.get(f"/v1/jobs/{failed}/{result}")
    assert (response.status_code, response.json()["code"]) == (409, "job_has_no_result")
    assert response.json()["error"]["code"] == "audio_unreadable"
    cancelled = await submit(client)
    await client.delete(f"/v1/jobs/{cancelled}")
    response = await client.get(f"/v1/jobs/{cancelled}/{result}")
    assert (response.status_code, response.json()["code"]) == (409, "job_has_no_result")


@pytest.mark.parametrize(
    ("result", "option", "code"),
    [
        ("transcript", "transcript", "transcript_not_made"),
        ("waveform.png", "waveform", "waveform_not_made"),
        ("waveform.json", "waveform", "waveform_not_made"),
    ],
)
async def test_it_was_not_asked_for(
    client: httpx.AsyncClient, worker: PretendWorker, result: str, option: str, code: str
) -> None:
    job_id = await submit(client, **{option: "false"})
    worker.succeed()
    response = await client.get(f"/v1/jobs/{job_id}/{result}")
    assert (response.status_code, response.json()["code"]) == (404, code)


async def test_an_unknown_format_is_refused(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    job_id = await submit(client)
    worker.succeed()
    response = await client.get(f"/v1/jobs/{job_id}/transcript", params={"format": "docx"})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "format"


async def test_a_transcript_outlives_its_model(
    client: httpx.AsyncClient, worker: PretendWorker, models_dir
) -> None:
    job_id = await submit(client)
    worker.succeed()
    (models_dir / "hi-ctc-base" / "model.json").unlink()
    response = await client.get(f"/v1/jobs/{job_id}/transcript")
    assert (response.status_code, response.json()["language"]) == (200, "und")
