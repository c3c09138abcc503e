"""The front end with recordings in a bucket: what arrives, what leaves, and what an outage answers."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import httpx
import pytest

from api.services import Services
from shared.files.s3_upload import PART_BYTES
from shared.settings import Settings
from tests.api.front_end import AUDIO, running, stored_files, submit
from tests.api.pretend_worker import PretendWorker
from tests.api.zip_files import Entry, zip_of
from tests.s3_server import BUCKET, S3Server, s3_server

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("database_url", ["sqlite", "postgres"], indirect=True),
]
OUTAGE = (503, "storage_unavailable")


@pytest.fixture
def server(s3: S3Server) -> Iterator[S3Server]:
    """A server that the test may freeze."""
    with s3_server() as server:
        yield server
        server.thaw()


@pytest.fixture
def store_settings(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr("shared.files.s3_client.READ_SECONDS", 0.5)
    monkeypatch.setattr("shared.files.s3_client.CONNECT_SECONDS", 0.5)
    monkeypatch.setattr("shared.files.s3_client.TRIES", 1)
    return server.settings("of-an-api")


def told(response: httpx.Response) -> tuple[int, str]:
    if response.status_code == 503:
        assert response.headers["retry-after"]
    return response.status_code, response.json()["code"]


async def erase(client: httpx.AsyncClient, job: str) -> None:
    assert (await client.delete(f"/v1/jobs/{job}")).status_code == 200  # cancelled
    assert (await client.delete(f"/v1/jobs/{job}")).status_code == 204  # erased


async def test_a_large_recording_goes_in_and_out_in_parts(
    client: httpx.AsyncClient, services: Services, settings: Settings, server: S3Server
) -> None:
    content = bytes(range(256)) * (3 * PART_BYTES // 256) + b"end"
    response = await client.post("/v1/jobs", files={"file": ("a.wav", content)})
    job = response.json()
    assert job["file"]["sha256"] == hashlib.sha256(content).hexdigest()
    url = f"/v1/jobs/{job['id']}/recording"
    assert (await client.get(url)).content == content
    part = await client.get(url, headers={"Range": "bytes=-3"})
    assert (part.status_code, part.content) == (206, b"end")
    etags = server.client().head_object(Bucket=BUCKET, Key=server.names()[0])["ETag"]
    assert etags.strip('"').endswith("-4"), "it came in four parts"
    assert not settings.files_dir.exists()
    await erase(client, job["id"])
    assert stored_files(services) == []


async def test_too_large_and_aborted_uploads_leave_nothing(settings: Settings, server: S3Server) -> None:
    async with running(settings.model_copy(update={"max_upload_bytes": PART_BYTES + 5})) as (_, client):
        response = await client.post("/v1/jobs", files={"file": ("a.wav", bytes(PART_BYTES + 6))})
        assert told(response) == (413, "upload_too_large")

        async def cut() -> AsyncIterator[bytes]:
            form = httpx.Request("POST", "http://x", files={"file": ("a.wav", bytes(PART_BYTES + 2))}).read()
            yield form[:-30]

        boundary = "multipart/form-data; boundary=x"
        assert (await client.post("/v1/jobs", content=cut(), headers={"Content-Type": boundary})).is_error
    assert (server.names(), server.uploads()) == ([], [])


async def test_an_archive_is_extracted_on_the_local_disk(
    client: httpx.AsyncClient, services: Services, settings: Settings, server: S3Server
) -> None:
    archive = zip_of(*(Entry(f"{number}.wav", data=AUDIO * (number + 1)) for number in range(5)))
    response = await client.post("/v1/batches", files={"archive": ("a.zip", archive)})
    assert response.status_code == 202, response.text
    sizes = sorted(services.files.size(key) for key in stored_files(services))
    assert sizes == [len(AUDIO) * (number + 1) for number in range(5)]
    assert len(server.names()) == 5, "the archive itself is not there"
    assert not [path for path in settings.scratch.rglob("*") if path.is_file()]
    damaged = zip_of(Entry("a.wav", data=AUDIO), Entry("b.zip", data=zip_of("x")))
    response = await client.post("/v1/batches", files={"archive": ("a.zip", damaged)})
    assert response.status_code == 422
    assert len(server.names()) == 5


async def test_an_outage_is_told_and_forgotten(
    client: httpx.AsyncClient, services: Services, server: S3Server, worker: PretendWorker
) -> None:
    worker.beat()
    job = await submit(client)
    other = await submit(client)
    assert (await client.delete(f"/v1/jobs/{other}")).status_code == 200
    assert (await client.get("/readyz")).json()["checks"]["disk"] == {"ok": True, "detail": None}
    services.files._checked_at = 0.0  # type: ignore[attr-defined]  # a success is remembered for seconds
    await anyio.to_thread.run_sync(server.freeze)
    readiness = await client.get("/readyz")
    assert (readiness.status_code, readiness.json()["checks"]["disk"]["ok"]) == (503, False)
    for path in ("/v1/jobs", "/v1/batches", "/transcribe/", "/v1/audio/transcriptions"):
        response = await client.post(path, files={"file": ("a.wav", AUDIO)}, data=FORMS.get(path, {}))
        assert response.status_code == 503, (path, response.text)
    big = await client.post("/v1/jobs", files={"file": ("a.wav", bytes(PART_BYTES + 5))})
    assert told(big) == OUTAGE
    assert told(await client.get(f"/v1/jobs/{job}/recording")) == OUTAGE
    assert told(await client.post(f"/v1/jobs/{other}/retry")) == OUTAGE
    assert len((await client.get("/v1/jobs")).json()["jobs"]) == 2, "nothing was queued"
    assert (await client.delete(f"/v1/jobs/{other}")).status_code == 204, "it is erased, its file later"
    await anyio.to_thread.run_sync(server.thaw)
    assert (await client.get("/readyz")).status_code == 200
    assert (await client.get(f"/v1/jobs/{job}/recording")).content == AUDIO
    await submit(client)


FORMS = {"/v1/audio/transcriptions": {"model": "hi-ctc-base"}}


async def test_a_recording_that_is_gone(client: httpx.AsyncClient, services: Services) -> None:
    job = await submit(client)
    services.files.delete(*stored_files(services))
    assert told(await client.get(f"/v1/jobs/{job}/recording")) == (409, "recording_gone")
    assert (await client.delete(f"/v1/jobs/{job}")).status_code == 200
    assert told(await client.post(f"/v1/jobs/{job}/retry")) == (409, "recording_gone")


async def test_many_submissions_at_once(
    client: httpx.AsyncClient, services: Services, tmp_path: Path
) -> None:
    jobs = await asyncio.gather(*(submit(client, f"{number}.wav") for number in range(40)))
    assert len(set(jobs)) == len(stored_files(services)) == 40
    assert (await client.get(f"/v1/jobs/{jobs[7]}/recording")).content == AUDIO
