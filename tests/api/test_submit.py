"""POST /v1/jobs: accept, store and queue recordings."""

import hashlib
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from redis import Redis
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.services import Services
from shared.database import Database
from shared.errors import DatabaseUnavailable
from shared.jobs.tables import Job, JobEvent, JobStatus
from shared.queue import QUEUE
from shared.settings import Settings
from tests.api.front_end import AUDIO, running, stored_files

pytestmark = pytest.mark.anyio


async def test_the_recording_is_stored_and_its_job_queued(
    client: httpx.AsyncClient, services: Services, database: Database
) -> None:
    response = await client.post("/v1/jobs", files={"file": ("समाचार.wav", AUDIO, "audio/wav")})
    assert response.status_code == 202, response.text
    job = response.json()
    assert response.headers["location"] == f"/v1/jobs/{job['id']}" == job["links"]["self"]
    assert uuid.UUID(job["id"]).version == 7
    assert job["status"] == "queued"
    assert job["position"] == 0
    assert job["created_at"].endswith("Z")
    assert job["file"] == {
        "name": "समाचार.wav",
        "bytes": len(AUDIO),
        "sha256": hashlib.sha256(AUDIO).hexdigest(),
        "folder": "",
    }
    assert (job["model"], job["transcript"], job["waveform"]) == ("hi-ctc-base", True, True)
    assert job["links"]["transcript"] is None
    with database.read() as session:
        row = session.get_one(Job, uuid.UUID(job["id"]))
        assert b"".join(services.files.open(row.file_key, 4).blocks(0, len(AUDIO))) == AUDIO
        assert [event.event for event in session.scalars(select(JobEvent))] == ["submitted"]
    assert stored_files(services) == [row.file_key]


async def test_names_are_devanagari_on_the_wire_not_escapes(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/jobs", files={"file": ("समाचार.wav", AUDIO)})
    assert "समाचार".encode() in response.content


async def test_the_message_in_the_queue_names_the_job(client: httpx.AsyncClient, settings: Settings) -> None:
    job = (await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)})).json()
    with Redis.from_url(settings.redis_url) as redis:
        _, message = await anyio.to_thread.run_sync(lambda: redis.blpop([QUEUE], timeout=20))
    assert job["id"] in json.loads(message)["headers"]["argsrepr"]


@pytest.mark.parametrize("text", ["false", "False", "0", "no", "off"])
async def test_options_are_read(client: httpx.AsyncClient, text: str) -> None:
    form = {"model": "hi-ctc-base", "waveform": text, "transcript": "true"}
    response = await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)}, data=form)
    assert response.status_code == 202
    assert response.json()["waveform"] is False
    assert response.json()["transcript"] is True


@pytest.mark.parametrize(
    ("form", "priority", "name"),
    [
        ({}, "normal", "127.0.0.1"),
        ({"priority": "", "client": ""}, "normal", "127.0.0.1"),
        ({"priority": "high", "client": "समाचार कक्ष"}, "high", "समाचार कक्ष"),
        ({"priority": "low", "client": "x" * 64}, "low", "x" * 64),
    ],
)
async def test_who_submits_and_how_urgent_it_is(
    client: httpx.AsyncClient, form: dict, priority: str, name: str
) -> None:
    response = await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)}, data=form)
    assert response.status_code == 202, response.text
    polled = (await client.get(response.headers["location"])).json()
    for job in (response.json(), polled, (await client.get("/v1/jobs")).json()["jobs"][0]):
        assert (job["priority"], job["client"]) == (priority, name)


async def test_a_wrong_priority_is_told_the_choices(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)}, data={"priority": "urgent"})
    assert "'high', 'normal' or 'low'" in response.json()["detail"]
    assert "urgent" not in response.text


async def test_an_empty_field_means_no_choice(client: httpx.AsyncClient) -> None:
    form = {"model": "", "waveform": ""}
    response = await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)}, data=form)
    assert response.status_code == 202
    assert response.json()["model"] == "hi-ctc-base"


async def test_an_empty_file_is_taken_in_for_the_worker_to_judge(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/jobs", files={"file": ("a.wav", b"")})
    assert response.status_code == 202
    assert response.json()["file"]["bytes"] == 0


@pytest.mark.parametrize(
    ("form", "code", "field"),
    [
        ({"waveform": "perhaps"}, "invalid_request", "waveform"),
        ({"transcript": "false", "waveform": "false"}, "invalid_request", "transcript"),
        ({"modle": "x"}, "invalid_request", "modle"),
        ({"model": "../../etc"}, "model_not_found", None),
        ({"model": "no\x00such"}, "model_not_found", None),
        ({"model": "x" * 25_000}, "invalid_request", "model"),
        ({"model": ["hi-ctc-base", "hi-ctc-base"]}, "invalid_request", "model"),
        ({"priority": "urgent"}, "invalid_request", "priority"),
        ({"priority": "HIGH"}, "invalid_request", "priority"),
        ({"priority": "0"}, "invalid_request", "priority"),
        ({"client": "x" * 65}, "invalid_request", "client"),
        ({"client": "क\u093c" * 32 + "x"}, "invalid_request", "client"),
        ({"client": "a\x00b"}, "invalid_request", "client"),
        ({"client": "a\nb"}, "invalid_request", "client"),
        ({"client": "a\u202eb"}, "invalid_request", "client"),
    ],
)
async def test_bad_fields_are_refused_by_name_and_leave_nothing(
    client: httpx.AsyncClient, services: Services, form: dict, code: str, field: str | None
) -> None:
    response = await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)}, data=form)
    assert response.status_code == 422, response.text
    problem = response.json()
    assert problem["code"] == code
    if field is not None:
        assert [error["field"] for error in problem["errors"]] == [field]
    assert stored_files(services) == []


async def test_an_unknown_field_is_told_which_are_known(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)}, data={"colour": "red"})
    known = (
        "channels, client, decoder, file, hotword_weight, hotwords, model, priority, spectrogram, strict, "
        "transcript, waveform, webhook_url."
    )
    assert response.json()["detail"].endswith(known)


async def test_redis_away_the_job_is_queued_all_the_same(settings: Settings, tmp_path: Path) -> None:
    away = settings.model_copy(update={"redis_url": f"unix://{tmp_path}/no.sock"})
    async with running(away) as (_, client):
        response = await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)})
    assert response.status_code == 202
    assert response.json()["status"] == "queued"


async def test_a_failed_insert_deletes_the_file(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("away")

    monkeypatch.setattr("api.intake.insertion.submit_once", fail)
    response = await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)})
    assert response.status_code == 503
    assert response.json()["code"] == "database_unavailable"
    assert response.headers["retry-after"]
    assert stored_files(services) == []


async def test_an_insert_whose_commit_got_through_counts(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    """If the connection is lost after COMMIT reached the server, the row exists and so does the job."""
    write = database.write

    @contextmanager
    def lost_after_commit() -> Iterator[Session]:
        with write() as session:
            yield session
        raise DatabaseUnavailable("lost")

    monkeypatch.setattr(services.database, "write", lost_after_commit)
    response = await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)})
    assert response.status_code == 202
    with database.read() as session:
        (job,) = session.scalars(select(Job)).all()
    assert job.status is JobStatus.QUEUED
    assert stored_files(services) == [job.file_key]
