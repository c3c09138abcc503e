"""Batches over HTTP: submit, poll, list, results, cancel, erase, limits, idempotency, tenants."""

import asyncio
import io
import uuid
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import httpx
import pytest
from redis import Redis
from sqlalchemy.exc import OperationalError

from api.intake import batch_submission
from api.services import Services
from shared.database import Database
from shared.keys import Scope, create_key
from shared.queue import QUEUE
from shared.settings import Settings
from tests.api.archive_cases import AUDIO, written
from tests.api.front_end import running, stored_files, submit
from tests.api.pretend_worker import PNG, PretendWorker
from tests.api.zip_files import Entry, zip_of

pytestmark = pytest.mark.anyio
one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

HINDI = "साक्षात्कार/समाचार.wav"


def files(*names: str) -> list[tuple[str, tuple[str, bytes]]]:
    """The parts of a form with recordings of these names, each with content of its own."""
    return [("file", (name, AUDIO + name.encode())) for name in names]


async def submit_batch(client: httpx.AsyncClient, *names: str, **data: str) -> dict:
    response = await client.post("/v1/batches", files=files(*names), data=data)
    assert response.status_code == 202, response.text
    assert response.headers["location"] == f"/v1/batches/{response.json()['id']}"
    return dict(response.json())


async def get(client: httpx.AsyncClient, batch: dict, **params: object) -> dict:
    response = await client.get(f"/v1/batches/{batch['id']}", params=params)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def jobs_of(client: httpx.AsyncClient, batch: dict) -> list[dict]:
    response = await client.get(batch["links"]["jobs"])
    assert response.status_code == 200, response.text
    return list(response.json()["jobs"])


async def results(client: httpx.AsyncClient, batch: dict, **params: object) -> zipfile.ZipFile:
    response = await client.get(f"/v1/batches/{batch['id']}/results.zip", params=params)
    assert response.status_code == 200, response.text
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    assert archive.testzip() is None
    return archive


async def test_many_files_become_jobs_in_one_batch(
    client: httpx.AsyncClient, services: Services, settings: Settings
) -> None:
    batch = await submit_batch(client, "a.wav", HINDI, name="मई 1998", priority="low", waveform="false")
    assert (batch["status"], batch["progress"], batch["jobs"], batch["erased"]) == ("queued", 0, 2, 0)
    assert (batch["name"], batch["skipped"], batch["finished_at"]) == ("मई 1998", [], None)
    assert (batch["seconds_left"], batch["expected_finish_at"]) == (None, None)
    assert batch["counts"] == {"queued": 2, "running": 0, "succeeded": 0, "failed": 0, "cancelled": 0}
    assert batch["options"]["priority"] == "low"
    assert await get(client, batch) == batch
    second, first = await jobs_of(client, batch)
    assert (first["file"]["folder"], first["file"]["name"]) == ("", "a.wav")
    assert (second["file"]["folder"], second["file"]["name"]) == ("साक्षात्कार", "समाचार.wav")
    assert {(job["batch_id"], job["priority"], job["waveform"]) for job in (first, second)} == {
        (batch["id"], "low", False)
    }
    assert len(stored_files(services)) == 2
    with anyio.fail_after(20), Redis.from_url(settings.redis_url) as redis:
        while not redis.llen(QUEUE):
            await anyio.sleep(0.02)


async def test_a_job_of_no_batch_says_so(client: httpx.AsyncClient) -> None:
    job = (await client.get(f"/v1/jobs/{await submit(client)}")).json()
    assert (job["batch_id"], job["file"]["folder"]) == (None, "")


async def test_progress_to_the_end(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    batch = await submit_batch(client, "a.wav", "b.wav", "c.wav", "d.wav")
    await anyio.to_thread.run_sync(worker.succeed)
    await anyio.to_thread.run_sync(worker.fail)
    job = await anyio.to_thread.run_sync(worker.claim)
    seen = await get(client, batch)
    assert seen["status"] == "running"
    assert seen["counts"] == {"queued": 1, "running": 1, "succeeded": 1, "failed": 1, "cancelled": 0}
    assert seen["progress"] == pytest.approx(0.5)
    assert seen["seconds_left"] >= 0
    assert seen["expected_finish_at"] > seen["created_at"]
    assert seen["links"]["results_zip"] is None
    await anyio.to_thread.run_sync(worker.cancel, job)
    last = await anyio.to_thread.run_sync(worker.succeed)
    done = await get(client, batch)
    assert (done["status"], done["progress"], done["seconds_left"]) == ("finished", 1, None)
    assert done["finished_at"] == last.finished_at.isoformat().replace("+00:00", "Z")
    assert done["links"]["results_zip"] == f"/v1/batches/{batch['id']}/results.zip"


async def test_a_poll_is_answered_304_until_something_changes(
    client: httpx.AsyncClient, worker: PretendWorker
) -> None:
    batch = await submit_batch(client, "a.wav", "b.wav")
    await anyio.to_thread.run_sync(worker.succeed)
    job = await anyio.to_thread.run_sync(worker.claim)
    await anyio.to_thread.run_sync(worker.report, job, 0.5)
    first = await client.get(batch["links"]["self"])
    known = {"If-None-Match": first.headers["etag"]}
    await asyncio.sleep(0.15)
    again = await client.get(batch["links"]["self"], headers=known)
    assert again.status_code == 304, "only the estimate has changed"
    waiting = asyncio.create_task(client.get(f"{batch['links']['self']}?wait=50", headers=known))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await anyio.to_thread.run_sync(worker.report, job, 0.75)
    with anyio.fail_after(15):
        changed = await waiting
    assert changed.status_code == 200
    assert changed.json()["progress"] == pytest.approx(0.875)


async def test_the_webhook_is_the_batchs(client: httpx.AsyncClient) -> None:
    batch = await submit_batch(client, "a.wav", "b.wav", webhook_url="https://example.org/hook")
    assert batch["options"]["webhook_url"] == "https://example.org/hook"
    assert [job["webhook_url"] for job in await jobs_of(client, batch)] == [None, None]


async def test_a_long_poll_ends_with_the_batch(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    batch = await submit_batch(client, "a.wav", "b.wav")
    await anyio.to_thread.run_sync(worker.succeed)
    waiting = asyncio.create_task(client.get(f"{batch['links']['self']}?wait=50"))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await anyio.to_thread.run_sync(worker.succeed)
    with anyio.fail_after(15):
        assert (await waiting).json()["status"] == "finished"


async def test_waiting_for_the_end(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    batch = await submit_batch(client, "a.wav")
    waiting = asyncio.create_task(get(client, batch, wait=10))
    await asyncio.sleep(0.1)
    await anyio.to_thread.run_sync(worker.succeed)
    assert (await waiting)["status"] == "finished"


async def test_the_list_is_newest_first_with_progress(
    client: httpx.AsyncClient, worker: PretendWorker
) -> None:
    batches = [await submit_batch(client, f"{n}.wav") for n in range(3)]
    await anyio.to_thread.run_sync(worker.succeed)
    page = (await client.get("/v1/batches", params={"limit": 2})).json()
    assert [batch["id"] for batch in page["batches"]] == [batches[2]["id"], batches[1]["id"]]
    rest = (await client.get("/v1/batches", params={"cursor": page["next_cursor"]})).json()
    assert [(one["id"], one["status"]) for one in rest["batches"]] == [(batches[0]["id"], "finished")]
    assert rest["next_cursor"] is None
    assert (await client.get("/v1/batches", params={"cursor": "x"})).status_code == 422


async def test_jobs_of_a_batch_are_counted_and_filtered(
    client: httpx.AsyncClient, worker: PretendWorker
) -> None:
    await submit(client)
    batch = await submit_batch(client, "a.wav", "b.wav")
    await anyio.to_thread.run_sync(worker.succeed)
    params = {"batch": batch["id"], "status": "queued", "counts": "true"}
    page = (await client.get("/v1/jobs", params=params)).json()
    assert {job["batch_id"] for job in page["jobs"]} == {batch["id"]}
    assert sum(page["counts"].values()) == 2
    missing = await client.get("/v1/jobs", params={"batch": str(uuid.uuid4())})
    assert (missing.status_code, missing.json()["code"]) == (404, "batch_not_found")


async def test_results_in_a_zip(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    batch = await submit_batch(client, "a.wav", HINDI, "a.mp3", "x/CON.wav", "x/..y .wav", "bad.wav")
    for _ in range(5):
        await anyio.to_thread.run_sync(worker.succeed)
    early = await client.get(f"/v1/batches/{batch['id']}/results.zip")
    assert (early.status_code, early.json()["code"]) == (409, "batch_not_finished")
    assert int(early.headers["retry-after"]) >= 1
    partial = await results(client, batch, partial=True)
    assert partial.read("errors.tsv").decode().splitlines()[1].split("\t")[2:4] == ["queued", ""]
    await anyio.to_thread.run_sync(worker.fail)
    archive = await results(client, batch, format="srt,json", waveform="true")
    stems = ["a", "साक्षात्कार/समाचार", "a (2)", "x/_CON", "x/..y"]
    assert archive.namelist() == [
        *(f"{stem}.{kind}" for stem in stems for kind in ("srt", "json", "png")),
        "errors.tsv",
    ]
    jobs = (await jobs_of(client, batch))[::-1]
    transcript = await client.get(f"/v1/jobs/{jobs[1]['id']}/transcript", params={"format": "srt"})
    assert archive.read("साक्षात्कार/समाचार.srt") == transcript.content
    document = await client.get(f"/v1/jobs/{jobs[0]['id']}/transcript")
    assert archive.read("a.json") == document.content
    assert archive.read("a.png") == PNG
    header, line = archive.read("errors.tsv").decode().splitlines()
    assert header == "path\tjob\tstatus\tcode\tmessage"
    assert line == f"bad.wav\t{jobs[-1]['id']}\tfailed\taudio_unreadable\tThe file holds no audio."


async def test_results_by_default_and_with_wrong_parameters(
    client: httpx.AsyncClient, worker: PretendWorker
) -> None:
    batch = await submit_batch(client, "a.wav", name="5/98 मई.1")
    await anyio.to_thread.run_sync(worker.succeed)
    url = f"/v1/batches/{batch['id']}/results.zip"
    response = await client.get(url)
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["content-disposition"] == (
        "attachment; filename=\"results.zip\"; filename*=UTF-8''5_98%20%E0%A4%AE%E0%A4%88.1.zip"
    )
    assert zipfile.ZipFile(io.BytesIO(response.content)).namelist() == ["a.txt"]
    assert (await results(client, batch, format=["vtt", "tsv", "vtt"])).namelist() == ["a.vtt", "a.tsv"]
    for params in ({"format": "doc"}, {"format": ""}, {"numerals": "x"}, {"partial": "x"}):
        assert (await client.get(url, params=params)).status_code == 422


async def test_results_are_read_in_pages_without_a_transaction(
    client: httpx.AsyncClient, worker: PretendWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.batch_results.JOBS_AT_ONCE", 2)
    monkeypatch.setattr("api.batch_results.BLOCK_BYTES", 1)
    names = [f"{n}.wav" for n in range(7)]
    batch = await submit_batch(client, *names, waveform="false")
    for _ in names:
        await anyio.to_thread.run_sync(worker.succeed)
    assert (await results(client, batch)).namelist() == [f"{n}.txt" for n in range(7)]


async def test_a_batch_without_transcripts_tells_so(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    batch = await submit_batch(client, "a.wav", transcript="false")
    await anyio.to_thread.run_sync(worker.succeed)
    archive = await results(client, batch, waveform="true")
    assert "transcript_not_made" in archive.read("errors.tsv").decode()


async def test_cancel_then_erase(
    client: httpx.AsyncClient, worker: PretendWorker, services: Services
) -> None:
    batch = await submit_batch(client, "a.wav", "b.wav", "c.wav")
    await anyio.to_thread.run_sync(worker.succeed)
    running_job = await anyio.to_thread.run_sync(worker.claim)
    asked = await client.delete(batch["links"]["self"])
    assert asked.status_code == 202
    assert asked.json()["counts"] == {
        "queued": 0,
        "running": 1,
        "succeeded": 1,
        "failed": 0,
        "cancelled": 1,
    }
    await anyio.to_thread.run_sync(worker.cancel, running_job)
    assert (await get(client, batch))["status"] == "finished"
    assert (await client.delete(batch["links"]["self"])).status_code == 204
    gone = await client.get(batch["links"]["self"])
    assert (gone.status_code, gone.json()["code"]) == (404, "batch_not_found")
    assert stored_files(services) == []


async def test_cancelling_what_only_waits_is_done_at_once(client: httpx.AsyncClient) -> None:
    batch = await submit_batch(client, "a.wav", "b.wav")
    response = await client.delete(batch["links"]["self"])
    assert (response.status_code, response.json()["status"]) == (200, "finished")


async def test_erased_jobs_leave_honest_counts(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    batch = await submit_batch(client, "a.wav", "b.wav")
    job = await anyio.to_thread.run_sync(worker.succeed)
    assert (await client.delete(f"/v1/jobs/{job.id}")).status_code == 204
    seen = await get(client, batch)
    assert (seen["jobs"], seen["erased"], sum(seen["counts"].values())) == (2, 1, 1)


async def test_a_retry_of_a_job_opens_the_batch(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    batch = await submit_batch(client, "a.wav")
    job = await anyio.to_thread.run_sync(worker.fail, "model_invalid", "m")
    assert (await get(client, batch))["status"] == "finished"
    assert (await client.post(f"/v1/jobs/{job.id}/retry")).status_code == 202
    assert (await get(client, batch))["finished_at"] is None


KEY = {"Idempotency-Key": "k"}


async def test_the_same_key_and_files_give_the_same_batch(
    client: httpx.AsyncClient, services: Services
) -> None:
    first = await client.post("/v1/batches", files=files("a.wav", "b.wav"), headers=KEY)
    again = await client.post("/v1/batches", files=files("a.wav", "b.wav"), headers=KEY)
    assert again.status_code == 202
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["id"] == first.json()["id"]
    for form in (
        {"files": files("a.wav")},
        {"files": files("b.wav", "a.wav")},
        {"files": files("a.wav", "b.wav"), "data": {"waveform": "false"}},
        {"files": {"archive": ("a.zip", written("a.wav"))}},
    ):
        other = await client.post("/v1/batches", headers=KEY, **form)
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
        assert other.json()["batch"] == f"/v1/batches/{first.json()['id']}"
    assert len(stored_files(services)) == 2


async def test_an_archive_sent_again_is_not_extracted_again(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = {"archive": ("a.zip", written("a.wav"))}
    first = await client.post("/v1/batches", files=form, headers=KEY)
    monkeypatch.setattr("api.intake.batch_files.opened_archive", None)
    again = await client.post("/v1/batches", files=form, headers=KEY)
    assert again.json()["id"] == first.json()["id"]
    assert len(stored_files(services)) == 1


async def test_two_requests_with_one_key_at_once(client: httpx.AsyncClient, services: Services) -> None:
    responses = await asyncio.gather(
        *(client.post("/v1/batches", files=files("a.wav", "b.wav"), headers=KEY) for _ in range(4))
    )
    assert {response.status_code for response in responses} == {202}
    assert len({response.json()["id"] for response in responses}) == 1
    assert sum("idempotent-replayed" not in response.headers for response in responses) == 1
    assert len(stored_files(services)) == 2


@one_database
async def test_a_commit_in_doubt_keeps_the_files(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose = [True]

    def lost(_session: object) -> None:
        if lose.pop():
            raise OperationalError("COMMIT", {}, Exception("gone"))

    real = batch_submission.inserting

    def inserting(database: Database) -> object:
        from sqlalchemy import event

        event.listen(database.engine, "commit", lost, once=True)
        return real(database)

    monkeypatch.setattr(batch_submission, "inserting", inserting)
    response = await client.post("/v1/batches", files=files("a.wav"))
    assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")
    assert len(stored_files(services)) == 1, "the rows may still appear; else the sweeper deletes the file"


@one_database
@pytest.mark.parametrize(
    ("form", "code", "field"),
    [
        ({}, "unsupported_media_type", None),
        ({"files": {"x": ("a.wav", AUDIO)}}, "invalid_request", "x"),
        ({"files": [("archive", ("a.zip", AUDIO)), ("file", ("a.wav", AUDIO))]}, "invalid_request", "file"),
        ({"files": [("file", ("a.wav", AUDIO)), ("archive", ("a", AUDIO))]}, "invalid_request", "archive"),
        ({"files": [("archive", ("a", AUDIO)), ("archive", ("b", AUDIO))]}, "invalid_request", "archive"),
        ({"files": files("a.wav"), "data": {"priority": "x"}}, "invalid_request", "priority"),
        ({"files": files("a.wav"), "data": {"name": "x" * 256}}, "invalid_request", "name"),
        ({"files": files("a.wav"), "data": {"numerals": "latin"}}, "invalid_request", "numerals"),
        ({"files": files("a.wav"), "params": {"priority": "low"}}, "invalid_request", "priority"),
        ({"files": files("a.wav"), "data": {"model": "none"}}, "model_not_found", None),
        ({"files": files("a.wav"), "data": {"decoder": "beam"}}, "decoder_unavailable", None),
        ({"files": files("../a.wav")}, "member_refused", None),
        ({"files": files("a.wav", "/b.wav")}, "member_refused", None),
        ({"files": [("file", ("a.wav", written("b.wav")))]}, "member_refused", None),
        ({"files": {"archive": ("a.zip", b"")}}, "archive_invalid", None),
    ],
)
async def test_forms_that_are_refused_leave_nothing(
    client: httpx.AsyncClient, services: Services, form: dict, code: str, field: str | None
) -> None:
    response = await client.post("/v1/batches", **form)
    assert (response.json()["code"], 400 <= response.status_code < 500) == (code, True), response.text
    assert [error["field"] for error in response.json().get("errors", [])] == ([field] if field else [])
    assert stored_files(services) == []


@one_database
async def test_a_form_without_files(client: httpx.AsyncClient) -> None:
    form = {"Content-Type": "multipart/form-data; boundary=xyz"}
    response = await client.post("/v1/batches", content=b"--xyz--\r\n", headers=form)
    assert (response.status_code, response.json()["code"]) == (422, "batch_empty")


@one_database
async def test_limits(settings: Settings) -> None:
    limits = {"batch_limit": 3, "max_upload_bytes": 5000, "max_batch_bytes": 9000}
    async with running(settings.model_copy(update=limits)) as (app, client):
        for form, status, code in [
            (files(*"abcd"), 413, "batch_too_large"),
            ([("file", ("a", bytes(5001)))], 413, "upload_too_large"),
            ([("file", (name, bytes(4000))) for name in "abc"], 413, "batch_too_large"),
            ([("archive", ("a.zip", bytes(9001)))], 413, "batch_too_large"),
        ]:
            response = await client.post("/v1/batches", files=form)
            assert (response.status_code, response.json()["code"]) == (status, code), response.text
            assert stored_files(app.state.services) == []
        await submit_batch(client, *"abc")


@one_database
async def test_a_body_that_is_announced_too_large_is_not_read(settings: Settings) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    headers = {
        "Content-Type": "multipart/form-data; boundary=xyz",
        "Content-Length": str(2**40),
        "Expect": "100-continue",
    }
    async with running(settings) as (_, client):
        response = await client.post("/v1/batches", content=never(), headers=headers)
        assert (response.status_code, response.json()["code"]) == (413, "batch_too_large")


@one_database
async def test_many_small_parts(client: httpx.AsyncClient, services: Services) -> None:
    batch = await submit_batch(client, *(f"{n}.wav" for n in range(300)))
    assert batch["jobs"] == len(stored_files(services)) == 300


@one_database
async def test_each_recording_takes_a_place_in_the_queue(
    settings: Settings, worker: PretendWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.intake.admission.COUNT_SECONDS", 0)
    async with running(settings.model_copy(update={"queue_limit": 4})) as (app, client):
        await submit(client)
        full = await client.post("/v1/batches", files=files(*"abcd"), headers=KEY)
        assert (full.status_code, full.json()["code"]) == (429, "queue_full")
        assert int(full.headers["retry-after"]) >= 1
        assert len(stored_files(app.state.services)) == 1
        assert (await client.post("/v1/batches", files=files(*"abc"), headers=KEY)).status_code == 202
        assert (await client.post("/v1/jobs", files={"file": ("a", AUDIO)})).status_code == 429
        again = await client.post("/v1/batches", files=files(*"abc"), headers=KEY)
        assert again.headers["idempotent-replayed"] == "true", "a repetition takes no place"
        never_fits = await client.post("/v1/batches", files=files(*"abcde"))
        assert never_fits.status_code == 429
        for _ in range(4):
            await anyio.to_thread.run_sync(worker.succeed)
        never_fits = await client.post("/v1/batches", files=files(*"abcde"))
        assert (never_fits.status_code, never_fits.json()["code"]) == (413, "batch_too_large")


@one_database
async def test_recordings_that_wait_for_the_rest_stay_new(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweeper deletes old files without a job."""
    touched: list[str] = []
    real = type(services.files).touch
    monkeypatch.setattr(
        type(services.files), "touch", lambda store, *keys: (touched.extend(keys), real(store, *keys))[1]
    )
    await submit_batch(client, "a.wav", "b.wav")
    assert sorted(touched) == sorted(stored_files(services))


@one_database
async def test_an_upload_that_paused_too_long_is_refused(
    client: httpx.AsyncClient, services: Services
) -> None:
    form = httpx.Request("POST", "http://x", files=files("a.wav", "b.wav"))
    body = form.read()

    async def slow() -> AsyncIterator[bytes]:
        yield body[:-100]
        while not stored_files(services):
            await asyncio.sleep(0.01)
        for path in services.files.root.glob("??/*"):
            path.unlink()  # as the sweeper does
        yield body[-100:]

    response = await client.post(
        "/v1/batches", content=slow(), headers={"Content-Type": form.headers["Content-Type"]}
    )
    assert (response.status_code, response.json()["code"]) == (408, "upload_stalled")
    assert stored_files(services) == []


class Tenant:
    """A client with a key of its own."""

    def __init__(self, client: httpx.AsyncClient, database: Database, *scopes: Scope) -> None:
        with database.write() as session:
            self._headers = {"Authorization": f"Bearer {create_key(session, 'k', scopes).secret}"}
        self._client = client

    async def __call__(self, method: str, url: str, **more: object) -> httpx.Response:
        return await self._client.request(method, url, headers=self._headers, **more)  # type: ignore[arg-type]


async def test_a_batch_belongs_to_its_tenant(
    settings: Settings, database: Database, worker: PretendWorker
) -> None:
    async with running(settings.model_copy(update={"require_keys": "always"})) as (_, client):
        owner, stranger = (Tenant(client, database, Scope.SUBMIT, Scope.READ) for _ in range(2))
        admin = Tenant(client, database, Scope.ADMIN)
        response = await owner("POST", "/v1/batches", files=files("a.wav"))
        batch = response.json()["links"]["self"]
        await anyio.to_thread.run_sync(worker.succeed)
        for method, url in [
            ("GET", batch),
            ("GET", f"{batch}?wait=1"),
            ("GET", f"{batch}/results.zip"),
            ("GET", response.json()["links"]["jobs"]),
            ("DELETE", batch),
        ]:
            refused = await stranger(method, url)
            assert (refused.status_code, refused.json()["code"]) == (404, "batch_not_found"), (method, url)
            assert (await client.request(method, url)).status_code == 401
        assert (await stranger("GET", "/v1/batches")).json()["batches"] == []
        assert len((await owner("GET", "/v1/batches")).json()["batches"]) == 1
        assert len((await admin("GET", "/v1/batches")).json()["batches"]) == 1
        assert (await owner("GET", f"{batch}/results.zip")).status_code == 200
        assert (await admin("GET", batch)).status_code == 200
        reader = Tenant(client, database, Scope.READ)
        assert (await reader("POST", "/v1/batches", files=files("a.wav"))).status_code == 403
        assert (await owner("DELETE", batch)).status_code == 204


async def test_a_key_of_one_tenant_does_not_give_another_its_batch(
    settings: Settings, database: Database
) -> None:
    async with running(settings) as (_, client):
        ids = set()
        for _ in range(2):
            with database.write() as session:
                secret = create_key(session, "k", [Scope.SUBMIT]).secret
            headers = {"Authorization": f"Bearer {secret}", **KEY}
            response = await client.post("/v1/batches", files=files("a.wav"), headers=headers)
            assert "idempotent-replayed" not in response.headers
            ids.add(response.json()["id"])
        assert len(ids) == 2


@one_database
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_ids_that_do_not_exist(client: httpx.AsyncClient, method: str) -> None:
    for path in ("", "/results.zip") if method == "GET" else ("",):
        missing = await client.request(method, f"/v1/batches/{uuid.uuid4()}{path}")
        assert (missing.status_code, missing.json()["code"]) == (404, "batch_not_found")
        assert (await client.request(method, f"/v1/batches/x{path}")).status_code == 422


@one_database
async def test_a_disk_without_room_takes_no_archive(settings: Settings, tmp_path: Path) -> None:
    full = settings.model_copy(update={"disk_reserve_bytes": 2**60})
    async with running(full) as (app, client):
        archive = zip_of(Entry("a.wav", data=AUDIO))
        response = await client.post("/v1/batches", files={"archive": ("a.zip", archive)})
        assert (response.status_code, response.json()["code"]) == (507, "storage_full")
        assert stored_files(app.state.services) == []
