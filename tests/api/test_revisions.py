"""Corrected texts: what is kept, what every format then says, and what is refused."""

import asyncio
import io
import json
import uuid
import zipfile
from datetime import timedelta
from typing import Any

import httpx
import pytest

from api.intake import corrections
from shared.database import Database
from shared.jobs.revisions import MOST_KEPT, SITTING
from shared.jobs.tables import RevisionRow
from shared.settings import Settings
from tests.api.front_end import AUDIO, running, submit
from tests.api.keys import bearer, make_key
from tests.api.pretend_worker import SEGMENTS, PretendWorker

pytestmark = pytest.mark.anyio


def word(text: str = "नमस्ते", start: float = 0.25, end: float = 0.5, **more: object) -> dict[str, Any]:
    return {"text": text, "start": start, "end": end, **more}


def text_of(*words: dict[str, Any], start: float = 0.25, end: float = 1.0, **more: object) -> dict[str, Any]:
    return {"segments": [{"start": start, "end": end, "words": list(words), **more}]}


CORRECTED = text_of(word(confidence=0.5), word("विश्व", 0.75, 1.0))


@pytest.fixture
async def path(client: httpx.AsyncClient, worker: PretendWorker) -> str:
    """The path of a job that has succeeded."""
    job_id = await submit(client)
    worker.succeed()
    return f"/v1/jobs/{job_id}"


async def save(
    client: httpx.AsyncClient, path: str, document: object, version: str | None = None
) -> httpx.Response:
    headers = {} if version is None else {"If-Match": f'"{version}"'}
    return await client.put(f"{path}/transcript", json=document, headers=headers)


async def test_a_correction_is_in_every_format_beside_the_machines_text(
    client: httpx.AsyncClient, path: str
) -> None:
    before = (await client.get(f"{path}/transcript")).json()
    assert before["revision"] is None
    saved = await save(client, path, CORRECTED, "0.0")
    assert saved.status_code == 200, saved.text
    assert saved.headers["etag"] == '"1.1"'
    assert (saved.json()["number"], saved.json()["saves"], saved.json()["editor"]) == (1, 1, "")
    after = (await client.get(f"{path}/transcript")).json()
    assert after["revision"] == saved.json()
    assert after["text"] == "नमस्ते विश्व"
    (segment,) = after["segments"]
    assert (segment["confidence"], segment["avg_logprob"], segment["channel"]) == (0.5, None, None)
    assert [one["confidence"] for one in segment["words"]] == [0.5, None]
    for form in ("txt", "srt", "vtt", "tsv"):
        assert "नमस्ते विश्व" in (await client.get(f"{path}/transcript?format={form}")).text
    machine = (await client.get(f"{path}/transcript?revision=machine")).json()
    assert machine == before
    assert machine["segments"] == SEGMENTS
    assert (await client.get(path)).json()["revision"] == 1


async def test_what_may_change_is_revalidated(client: httpx.AsyncClient, path: str) -> None:
    first = await client.get(f"{path}/transcript")
    assert first.headers["cache-control"] == "private, no-cache"
    known = {"If-None-Match": first.headers["etag"]}
    assert (await client.get(f"{path}/transcript", headers=known)).status_code == 304
    await save(client, path, CORRECTED)
    assert (await client.get(f"{path}/transcript", headers=known)).status_code == 200
    machine = await client.get(f"{path}/transcript?revision=machine")
    assert "immutable" in machine.headers["cache-control"]


async def test_two_editors_do_not_overwrite_each_other(client: httpx.AsyncClient, path: str) -> None:
    assert (await save(client, path, CORRECTED, "0.0")).status_code == 200
    late = await save(client, path, text_of(word("दूसरा")), "0.0")
    assert (late.status_code, late.json()["code"]) == (412, "revision_conflict")
    assert (late.json()["number"], late.json()["saves"]) == (1, 1)
    assert (await client.get(f"{path}/transcript")).json()["text"] == "नमस्ते विश्व"
    assert (await save(client, path, text_of(word("दूसरा")), "1.1")).headers["etag"] == '"1.2"'
    assert (await save(client, path, text_of(word("अंतिम")))).headers["etag"] == '"1.3"'  # whatever there is


async def test_a_save_whose_answer_was_lost_is_repeated(client: httpx.AsyncClient, path: str) -> None:
    answers = [await save(client, path, CORRECTED, "0.0") for _ in range(2)]
    assert [(one.status_code, one.headers["etag"]) for one in answers] == [(200, '"1.1"')] * 2


async def test_of_many_at_once_one_wins(client: httpx.AsyncClient, path: str) -> None:
    saves = [save(client, path, text_of(word(f"शब्द{number}")), "0.0") for number in range(6)]
    statuses = sorted(response.status_code for response in await asyncio.gather(*saves))
    assert statuses == [200] + [412] * 5


def let_time_pass(database: Database) -> None:
    with database.write() as session:
        for row in session.query(RevisionRow):
            row.saved_at -= SITTING + timedelta(seconds=1)


async def test_a_later_sitting_is_another_revision(
    client: httpx.AsyncClient, path: str, database: Database
) -> None:
    for number in range(1, 4):
        assert (await save(client, path, text_of(word(f"पाठ{number}")))).headers["etag"] == f'"{number}.1"'
        assert (await save(client, path, text_of(word(f"पाठ{number}")))).headers["etag"] == f'"{number}.2"'
        let_time_pass(database)
    listed = (await client.get(f"{path}/revisions")).json()["revisions"]
    assert [(one["number"], one["saves"]) for one in listed] == [(3, 2), (2, 2), (1, 2)]
    assert (await client.get(f"{path}/transcript?revision=2&format=txt")).text == "पाठ2\n"
    assert (await client.get(f"{path}/transcript?format=txt")).text == "पाठ3\n"
    for unknown in ("4", "999999999"):
        answer = await client.get(f"{path}/transcript?revision={unknown}")
        assert (answer.status_code, answer.json()["code"]) == (404, "revision_not_found")
    for wrong in ("0", "-1", "x", "99999999999", ""):
        assert (await client.get(f"{path}/transcript?revision={wrong}")).status_code == 422


async def test_only_the_newest_are_kept(client: httpx.AsyncClient, path: str, database: Database) -> None:
    for _ in range(MOST_KEPT + 3):
        await save(client, path, CORRECTED)
        let_time_pass(database)
    listed = (await client.get(f"{path}/revisions")).json()["revisions"]
    assert [one["number"] for one in listed] == list(range(MOST_KEPT + 3, 3, -1))


async def test_back_to_the_machines_text(client: httpx.AsyncClient, path: str) -> None:
    await save(client, path, CORRECTED)
    assert (await client.delete(f"{path}/revisions")).status_code == 204
    assert (await client.get(f"{path}/revisions")).json() == {"revisions": []}
    assert (await client.get(f"{path}/transcript")).json()["segments"] == SEGMENTS
    assert (await client.get(path)).json()["revision"] is None
    assert (await client.delete(f"{path}/revisions")).status_code == 204
    # A number is not used again: whoever began with the first revision would overwrite another text.
    assert (await save(client, path, CORRECTED, "1.1")).status_code == 412
    assert (await save(client, path, CORRECTED, "0.0")).headers["etag"] == '"2.1"'
    assert (await save(client, path, text_of(word("दूसरा")), "1.1")).status_code == 412


async def test_all_words_deleted(client: httpx.AsyncClient, path: str) -> None:
    assert (await save(client, path, {"segments": []})).status_code == 200
    after = (await client.get(f"{path}/transcript")).json()
    assert (after["no_speech"], after["segments"]) == (True, [])


async def test_an_erased_job_has_no_texts(client: httpx.AsyncClient, path: str, database: Database) -> None:
    await save(client, path, CORRECTED)
    assert (await client.delete(path)).status_code == 204
    with database.read() as session:
        assert session.query(RevisionRow).count() == 0
    for response in (await save(client, path, CORRECTED), await client.get(f"{path}/revisions")):
        assert (response.status_code, response.json()["code"]) == (404, "job_not_found")


async def test_only_a_text_can_be_corrected(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    waiting = f"/v1/jobs/{await submit(client)}"
    answer = await save(client, waiting, CORRECTED)
    assert (answer.status_code, answer.json()["code"]) == (409, "job_not_finished")
    await client.delete(waiting)
    assert (await save(client, waiting, CORRECTED)).status_code == 409
    picture = f"/v1/jobs/{await submit(client, transcript='false')}"
    worker.succeed()
    answer = await save(client, picture, CORRECTED)
    assert answer.json()["code"] == "transcript_not_made"
    assert (await save(client, f"/v1/jobs/{uuid.uuid4()}", CORRECTED)).status_code == 404


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (text_of(word("दो शब्द")), "segments.0.words.0"),
        (text_of(word("शब्द\n")), "segments.0.words.0"),
        (text_of(word("\u00a0")), "segments.0.words.0"),
        (text_of(word("gpj\u202eexe")), "segments.0.words.0"),
        (text_of(word("a\0")), "segments.0.words.0"),
        (text_of(word("\u200d")), "segments.0.words.0"),
        (text_of(word("क\u3164")), "segments.0.words.0"),
        (text_of(word("")), "segments.0.words.0.text"),
        (text_of(word("क" * 201)), "segments.0.words.0.text"),
        (text_of(word(), word(start=0.1, end=0.2)), "segments.0.words.1"),
        (text_of(word(start=0.5, end=0.4)), "segments.0.words.0"),
        (text_of(word(end=1.5)), "segments.0.words.0"),
        (text_of(word(), end=1000), "segments.0"),
        (text_of(word(), start=2, end=1), "segments.0"),
        (text_of(), "segments.0.words"),
        (text_of(word(), channel=0), "segments.0.channel"),
        (text_of(word(), speaker="x"), "segments.0.speaker"),
        (text_of(word(confidence=1.5)), "segments.0.words.0.confidence"),
        (text_of(word(start=-1)), "segments.0.words.0.start"),
        (text_of(word(start="soon")), "segments.0.words.0.start"),
        ({"segments": None}, "segments"),
        ({}, "segments"),
        ([], ""),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_is_refused_names_its_place(
    client: httpx.AsyncClient, path: str, document: object, place: str
) -> None:
    answer = await save(client, path, document)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["detail"].startswith(f"{place}: " if place else "")
    assert (await client.get(f"{path}/revisions")).json() == {"revisions": []}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b'{"segments": [{"start": NaN, "end": 1, "words": []}]}',
        b'{"segments": [{"start": 0, "end": Infinity, "words": []}]}',
        b'{"segments": [{"start": 0, "end": 1e999, "words": []}]}',
        b'{"segments": [{"start": 0, "end": 1, "words": [{"text": "\\ud800", "start": 0, "end": 1}]}]}',
        b'{"segments": [{"start": 0, "end": 1, "words": [{"text": "\xff", "start": 0, "end": 1}]}]}',
        b"[" * 100_000,
        b'{"segments": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    ],
    ids=range(10),
)
async def test_broken_documents(client: httpx.AsyncClient, path: str, body: bytes) -> None:
    answer = await client.put(f"{path}/transcript", content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_long_body_is_cut_off(
    client: httpx.AsyncClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corrections, "LONGEST_BODY", 1000)
    answer = await client.put(f"{path}/transcript", content=b" " * 1001)
    assert (answer.status_code, answer.json()["code"]) == (413, "upload_too_large")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("version", ["1", "1.1", '"1"', 'W/"1.1"', '"1.1", "1.2"', "*"])
async def test_other_versions_are_refused(client: httpx.AsyncClient, path: str, version: str) -> None:
    answer = await client.put(f"{path}/transcript", json=CORRECTED, headers={"If-Match": version})
    assert answer.status_code == 422


async def test_words_are_kept_in_nfc_and_with_joiners(client: httpx.AsyncClient, path: str) -> None:
    decomposed, joined = "क\u093c", "क्\u200dष"
    await save(client, path, text_of(word(decomposed), word(joined, 0.75, 1.0)))
    words = (await client.get(f"{path}/transcript")).json()["segments"][0]["words"]
    assert [one["text"] for one in words] == ["क\u093c", joined]
    await save(client, path, text_of(word("e\u0301")))
    assert (await client.get(f"{path}/transcript")).json()["text"] == "\u00e9"


async def test_numbers_of_a_correction_in_digits(client: httpx.AsyncClient, path: str) -> None:
    await save(client, path, text_of(word("पच्चीस"), word("लोग", 0.75, 1.0)))
    digits = (await client.get(f"{path}/transcript?numerals=latin")).json()
    assert digits["segments"][0]["words"][0] == {
        "text": "25",
        "start": 0.25,
        "end": 0.5,
        "confidence": None,
        "spoken": "पच्चीस",
    }


async def test_the_zip_of_a_batch_has_the_corrections(
    client: httpx.AsyncClient, worker: PretendWorker
) -> None:
    files = [("file", (f"{name}.wav", AUDIO)) for name in "ab"]
    batch = (await client.post("/v1/batches", files=files)).json()["id"]
    jobs = (await client.get(f"/v1/jobs?batch={batch}")).json()["jobs"]
    worker.succeed()
    worker.succeed()
    corrected = next(job for job in jobs if job["file"]["name"] == "a.wav")
    assert (await save(client, f"/v1/jobs/{corrected['id']}", CORRECTED)).status_code == 200

    async def members(query: str) -> dict[str, bytes]:
        answer = await client.get(f"/v1/batches/{batch}/results.zip?format=txt,json{query}")
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    latest, machine = await members(""), await members("&revision=machine")
    assert latest["a.txt"].decode() == "नमस्ते विश्व\n"
    assert json.loads(latest["a.json"])["revision"]["number"] == 1
    assert json.loads(latest["b.json"])["revision"] is None
    assert latest["b.txt"] == machine["b.txt"] == machine["a.txt"]
    assert latest["b.txt"] != latest["a.txt"]


async def test_the_editor_is_the_key(settings: Settings, database: Database, worker: PretendWorker) -> None:
    keys = [make_key(database, tenant="one"), make_key(database, tenant="one"), make_key(database)]
    async with running(settings.model_copy(update={"require_keys": "always"})) as (_, client):
        job = await client.post("/v1/jobs", files={"file": ("a.wav", AUDIO)}, headers=bearer(keys[0]))
        worker.succeed()
        path = f"/v1/jobs/{job.json()['id']}/transcript"
        etags = []
        for key in (keys[0], keys[0], keys[1]):
            answer = await client.put(path, json=CORRECTED, headers=bearer(key))
            etags.append(answer.headers["etag"])
            assert key.startswith(answer.json()["editor"])
        assert etags == ['"1.1"', '"1.2"', '"2.1"']
        stranger = await client.put(path, json=CORRECTED, headers=bearer(keys[2]))
        assert (stranger.status_code, stranger.json()["code"]) == (404, "job_not_found")
