"""The recording of a job: whole, in ranges, and with tickets."""

import uuid
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from redis import Redis

from api.container_types import UNKNOWN, container_type
from api.services import Services
from shared.clock import now
from shared.database import Database
from shared.settings import Settings
from tests.api.front_end import AUDIO, running, serving, submit
from tests.api.keys import bearer, make_key
from tests.api.pretend_worker import PretendWorker

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
    pytest.mark.parametrize("store_kind", ["folder", "s3"]),
]
SIZE = len(AUDIO)


@pytest.fixture
async def url(client: httpx.AsyncClient) -> str:
    return f"/v1/jobs/{await submit(client, 'नमस्ते.wav')}/recording"


async def test_it_is_what_was_uploaded(client: httpx.AsyncClient, url: str) -> None:
    response = await client.get(url)
    assert response.status_code == 200
    assert response.content == AUDIO
    assert response.headers["content-length"] == str(SIZE)
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["cache-control"] == "private, no-cache"
    assert response.headers["content-disposition"].startswith("inline; ")
    job = (await client.get(url.removesuffix("/recording"))).json()
    assert response.headers["etag"] == f'"{job["file"]["sha256"]}"'


async def test_a_download_is_named_as_the_upload(client: httpx.AsyncClient) -> None:
    for name, expected in (
        ("call 7.WAV", 'attachment; filename="call 7.bin"'),  # AUDIO is no WAV file, whatever it is called
        ("page.html", 'attachment; filename="page.bin"'),
    ):
        response = await client.get(f"/v1/jobs/{await submit(client, name)}/recording?download=true")
        assert response.headers["content-type"] == "application/octet-stream"
        assert response.headers["content-disposition"] == expected
    real = b"RIFF\x24\x08\x00\x00WAVEfmt " + bytes(40)
    job = (await client.post("/v1/jobs", files={"file": ("नमस्ते.Wav", real)})).json()["id"]
    response = await client.get(f"/v1/jobs/{job}/recording?download=true")
    assert response.headers["content-type"] == "audio/wav"
    assert response.headers["content-disposition"].endswith(".Wav")


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, SIZE),
        ("bytes=100-199", 100, 200),
        (f"bytes=100-{SIZE * 9}", 100, SIZE),
        ("bytes=-1", SIZE - 1, SIZE),
        (f"bytes=-{SIZE * 9}", 0, SIZE),
        ("Bytes= 5-6 ", 5, 7),
    ],
)
async def test_a_range(client: httpx.AsyncClient, url: str, asked: str, first: int, end: int) -> None:
    response = await client.get(url, headers={"Range": asked})
    assert response.status_code == 206
    assert response.headers["content-range"] == f"bytes {first}-{end - 1}/{SIZE}"
    assert response.headers["content-length"] == str(end - first)
    assert response.content == AUDIO[first:end]


@pytest.mark.parametrize(
    "asked", ["bytes=-", "bytes=9-3", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6", "bytes=", "x"]
)
async def test_what_is_not_one_range_is_passed_over(client: httpx.AsyncClient, url: str, asked: str) -> None:
    response = await client.get(url, headers={"Range": asked})
    assert response.status_code == 200
    assert response.content == AUDIO


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE * 2}-{SIZE * 3}", "bytes=-0"])
async def test_a_range_behind_the_end(client: httpx.AsyncClient, url: str, asked: str) -> None:
    response = await client.get(url, headers={"Range": asked})
    assert response.status_code == 416
    assert response.json()["code"] == "range_not_satisfiable"
    assert response.headers["content-range"] == f"bytes */{SIZE}"


async def test_if_range(client: httpx.AsyncClient, url: str) -> None:
    etag = (await client.head(url)).headers["etag"]
    same = await client.get(url, headers={"Range": "bytes=1-2", "If-Range": etag})
    assert same.status_code == 206
    other = await client.get(url, headers={"Range": "bytes=1-2", "If-Range": '"other"'})
    assert other.status_code == 200
    assert (await client.get(url, headers={"If-None-Match": etag})).status_code == 304


async def test_head(client: httpx.AsyncClient, url: str) -> None:
    response = await client.head(url, headers={"Range": "bytes=1-2"})
    assert response.status_code == 206
    assert response.headers["content-length"] == "2"
    assert not response.content


async def test_a_recording_that_is_not_stored(
    client: httpx.AsyncClient, url: str, services: Services
) -> None:
    services.files.delete(*services.files.keys())
    response = await client.get(url)
    assert (response.status_code, response.json()["code"]) == (409, "recording_gone")


async def test_one_that_is_erased_while_it_is_sent(settings: Settings) -> None:
    async with serving(settings) as (_, client):
        big = bytes(16_000_000)
        job = (await client.post("/v1/jobs", files={"file": ("a.wav", big)})).json()["id"]
        async with client.stream("GET", f"/v1/jobs/{job}/recording") as response:
            blocks = response.aiter_raw()
            received = len(await anext(blocks))
            assert (await client.delete(f"/v1/jobs/{job}")).status_code == 200  # cancelled
            assert (await client.delete(f"/v1/jobs/{job}")).status_code == 204  # erased
            async for block in blocks:
                received += len(block)
        assert received == len(big)
        assert (await client.get(f"/v1/jobs/{job}/recording")).status_code == 404


async def test_an_unknown_job(client: httpx.AsyncClient) -> None:
    for call in (client.get, client.post):
        path = f"/v1/jobs/{uuid.uuid4()}/recording{'/ticket' if call == client.post else ''}"
        response = await call(path)
        assert (response.status_code, response.json()["code"]) == (404, "job_not_found")


@pytest.fixture
async def keyed(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with running(settings.model_copy(update={"require_keys": "always"})) as (_, client):
        yield client


async def test_a_ticket_opens_one_recording(keyed: httpx.AsyncClient, database: Database) -> None:
    key = bearer(make_key(database))
    jobs = []
    for _ in range(2):
        response = await keyed.post("/v1/jobs", files={"file": ("a.wav", AUDIO)}, headers=key)
        jobs.append(response.json()["id"])
    own = f"/v1/jobs/{jobs[0]}/recording"
    issued = await keyed.post(f"{own}/ticket", headers=key)
    assert issued.status_code == 201
    assert issued.headers["cache-control"] == "no-store"
    ticket = issued.json()
    left = datetime.fromisoformat(ticket["expires_at"]) - now()
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    assert ticket["url"].startswith(f"{own}?ticket=")
    assert (await keyed.get(own)).json()["code"] == "key_missing"
    assert (await keyed.get(ticket["url"])).content == AUDIO
    part = await keyed.get(ticket["url"], headers={"Range": "bytes=0-3"})
    assert part.content == AUDIO[:4]
    secret = ticket["url"].partition("=")[2]
    other = await keyed.get(f"/v1/jobs/{jobs[1]}/recording?ticket={secret}")
    assert (other.status_code, other.json()["code"]) == (401, "ticket_invalid")
    for elsewhere in (
        f"/v1/jobs/{jobs[0]}?ticket={secret}",
        f"/v1/jobs/{jobs[0]}/transcript?ticket={secret}",
    ):
        assert (await keyed.get(elsewhere)).status_code in {401, 422}
    for wrong in ("", "x", "é"):
        assert (await keyed.get(own, params={"ticket": wrong})).json()["code"] == "ticket_invalid"


async def test_only_the_tenant_gets_a_ticket(keyed: httpx.AsyncClient, database: Database) -> None:
    mine, others = bearer(make_key(database)), bearer(make_key(database))
    job = (await keyed.post("/v1/jobs", files={"file": ("a.wav", AUDIO)}, headers=mine)).json()["id"]
    for call in (
        keyed.post(f"/v1/jobs/{job}/recording/ticket", headers=others),
        keyed.get(f"/v1/jobs/{job}/recording", headers=others),
    ):
        response = await call
        assert (response.status_code, response.json()["code"]) == (404, "job_not_found")


async def test_redis_keeps_no_ticket_in_clear(client: httpx.AsyncClient, url: str, redis_server: str) -> None:
    secret = (await client.post(f"{url}/ticket")).json()["url"].partition("=")[2]
    with Redis.from_url(redis_server) as redis:
        kept = [key for key in redis.keys("*") if b"ticket" in key]
        assert kept
        assert all(secret.encode() not in key for key in kept)
        assert all(0 < redis.ttl(key) <= 3600 for key in kept)
        redis.delete(*kept)
    lost = await client.get(f"{url}?ticket={secret}")
    assert lost.json()["code"] == "ticket_invalid"


async def test_without_redis(settings: Settings, tmp_path: Path, worker: PretendWorker) -> None:
    away = settings.model_copy(update={"redis_url": f"unix://{tmp_path}/none.sock"})
    async with running(away) as (_, client):
        job = await submit(client)
        issued = await client.post(f"/v1/jobs/{job}/recording/ticket")
        assert (issued.status_code, issued.json()["code"]) == (503, "tickets_unavailable")
        assert issued.headers["retry-after"] == "1"
        checked = await client.get(f"/v1/jobs/{job}/recording?ticket=x")
        assert checked.status_code == 503
        assert (await client.get(f"/v1/jobs/{job}/recording")).content == AUDIO


async def test_players_do_not_take_the_threads_of_polls(services: Services) -> None:
    limit = services.threads.playing
    tokens = [object() for _ in range(int(limit.total_tokens))]
    for token in tokens:
        limit.acquire_on_behalf_of_nowait(token)
    assert await services.threads.read(lambda: 1) == 1
    assert await services.threads.file(lambda: 2) == 2
    for token in tokens:
        limit.release_on_behalf_of(token)


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"RIFF\x24\x08\x00\x00WAVE", "audio/wav"),
        (b"RF64\xff\xff\xff\xffWAVE", "audio/wav"),
        (b"ID3\x04\x00", "audio/mpeg"),
        (b"\xff\xfb\x90\x00", "audio/mpeg"),
        (b"\xff\xf3\x40\x00", "audio/mpeg"),
        (b"\xff\xf1\x50\x80", "audio/aac"),
        (b"OggS\x00\x02", "audio/ogg"),
        (b"fLaC\x00\x00", "audio/flac"),
        (b"\x00\x00\x00\x20ftypM4A ", "audio/mp4"),
        (b"\x1a\x45\xdf\xa3\x9f", "video/webm"),
        (b"#!AMR\n", "audio/amr"),
        (b"FORM\x00\x00\x10\x00AIFF", "audio/aiff"),
        (b"<!doctype html>", "application/octet-stream"),
        (b"<svg xmlns=", "application/octet-stream"),
        (b"%PDF-1.7", "application/octet-stream"),
        (b"", "application/octet-stream"),
        (b"\xff", "application/octet-stream"),
    ],
)
async def test_a_type_comes_from_the_content(client: httpx.AsyncClient, head: bytes, media_type: str) -> None:
    kind = container_type(head)
    assert kind.media_type == media_type
    assert kind.extension_for("x.html") == kind.extensions[0]
    assert (kind is UNKNOWN) == (media_type == "application/octet-stream")
