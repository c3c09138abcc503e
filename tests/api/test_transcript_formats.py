"""Transcript formats: negotiation, media type, file name, caching, numerals."""

import uuid
from urllib.parse import quote

import httpx
import pytest
from shrutlekh_contract.formats import TEXT_FORMATS

from shared.database import Database
from shared.jobs.tables import SegmentRow
from tests.api.front_end import submit
from tests.api.pretend_worker import NUMBERS, SEGMENTS, PretendWorker

pytestmark = pytest.mark.anyio

SRT = "1\n00:00:00,250 --> 00:00:01,916\nनमस्ते दुनिया\n\n2\n00:00:02,000 --> 00:00:03,000\nहाँ\n"
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@ON_SQLITE
@pytest.mark.parametrize(
    ("form", "media_type", "text"),
    [
        ("txt", "text/plain; charset=utf-8", "नमस्ते दुनिया हाँ\n"),
        ("srt", "application/x-subrip; charset=utf-8", SRT),
        ("tsv", "text/tab-separated-values; charset=utf-8", None),
        ("vtt", "text/vtt; charset=utf-8", None),
        ("json", "application/json", None),
    ],
)
async def test_a_format_by_its_name_and_by_its_media_type(
    client: httpx.AsyncClient, worker: PretendWorker, form: str, media_type: str, text: str | None
) -> None:
    job_id = await submit(client, "समाचार.wav")
    worker.succeed()
    address = f"/v1/jobs/{job_id}/transcript"
    named = await client.get(address, params={"format": form})
    assert (named.status_code, named.headers["content-type"]) == (200, media_type)
    assert named.headers["content-disposition"].endswith(f"filename*=UTF-8''{quote('समाचार')}.{form}")
    assert "accept" in named.headers["vary"].lower()
    assert text in (None, named.text)
    accepted = await client.get(
        address, headers={"Accept": f"image/png, {media_type.partition(';')[0]};q=0.5"}
    )
    assert (accepted.content, accepted.headers["content-type"]) == (named.content, media_type)


@ON_SQLITE
@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("application/json, text/vtt", "application/json"),
        ("application/json;q=0.2, text/vtt;q=0.9", "text/vtt; charset=utf-8"),
        ("text/srt", "application/x-subrip; charset=utf-8"),
        ("text/vtt;q=0", "application/json"),
        ("text/vtt;q=much", "application/json"),
        (",;,", "application/json"),
    ],
)
async def test_the_header_chooses(
    client: httpx.AsyncClient, worker: PretendWorker, accept: str, media_type: str
) -> None:
    job_id = await submit(client)
    worker.succeed()
    response = await client.get(f"/v1/jobs/{job_id}/transcript", headers={"Accept": accept})
    assert (response.status_code, response.headers["content-type"]) == (200, media_type)


@ON_SQLITE
async def test_the_address_goes_before_the_header(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    job_id = await submit(client)
    worker.succeed()
    response = await client.get(f"/v1/jobs/{job_id}/transcript?format=txt", headers={"Accept": "text/vtt"})
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


@ON_SQLITE
async def test_the_job_links_to_each_format(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    job_id = await submit(client)
    links = (await client.get(f"/v1/jobs/{job_id}")).json()["links"]
    assert [name for name, link in links.items() if link] == ["self"]
    worker.succeed()
    links = (await client.get(f"/v1/jobs/{job_id}")).json()["links"]
    for form in TEXT_FORMATS:
        response = await client.get(links[f"transcript_{form}"])
        assert response.headers["content-disposition"] == f'inline; filename="a.{form}"'


@ON_SQLITE
async def test_each_format_is_cached_for_itself(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    job_id = await submit(client)
    worker.succeed(NUMBERS)
    tags = set()
    for query in ("", "?format=srt", "?format=vtt", "?numerals=latin", "?numerals=devanagari"):
        address = f"/v1/jobs/{job_id}/transcript{query}"
        response = await client.get(address)
        assert "private" in response.headers["cache-control"]
        tags.add(response.headers["etag"])
        again = await client.get(address, headers={"If-None-Match": response.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert len(tags) == 5


@pytest.mark.parametrize(
    ("numerals", "text", "spoken"),
    [("spoken", "पच्चीस", None), ("latin", "25", "पच्चीस"), ("devanagari", "२५", "पच्चीस")],
)
@ON_SQLITE
async def test_numbers_are_written_as_the_reader_likes(
    client: httpx.AsyncClient, worker: PretendWorker, numerals: str, text: str, spoken: str | None
) -> None:
    job_id = await submit(client)
    worker.succeed(NUMBERS)
    address = f"/v1/jobs/{job_id}/transcript?numerals={numerals}"
    (segment,) = (await client.get(address)).json()["segments"]
    assert (segment["text"], segment["channel"]) == (f"कुल {text}", 1)
    assert (segment["words"][1]["text"], segment["words"][1].get("spoken")) == (text, spoken)
    assert (await client.get(f"{address}&format=txt")).text == f"[1] कुल {text}\n"


@ON_SQLITE
async def test_numerals_that_are_none(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    job_id = await submit(client)
    worker.succeed()
    response = await client.get(f"/v1/jobs/{job_id}/transcript?numerals=roman")
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "numerals")


async def test_segments_are_in_the_order_of_time_whatever_order_they_were_found_in(
    client: httpx.AsyncClient, worker: PretendWorker, database: Database
) -> None:
    job_id = await submit(client)
    order = [(5.0, 1), (2.0, 2), (2.0, 1), (1.0, 2)]
    worker.succeed(
        [
            {
                "start": start,
                "end": start + 1,
                "channel": channel,
                "text": "हाँ",
                "confidence": None,
                "words": [],
            }
            for start, channel in order
        ]
    )
    segments = (await client.get(f"/v1/jobs/{job_id}/transcript")).json()["segments"]
    assert [(segment["start"], segment["channel"]) for segment in segments] == sorted(order)
    with database.read() as session:
        assert session.get_one(SegmentRow, (uuid.UUID(job_id), 0)).start_seconds == 5.0


@ON_SQLITE
async def test_silence_in_every_format(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    job_id = await submit(client)
    worker.succeed([])
    for form, text in {"txt": "", "vtt": "WEBVTT\n", "tsv": "start\tend\tchannel\ttext\n"}.items():
        assert (await client.get(f"/v1/jobs/{job_id}/transcript?format={form}")).text == text


@ON_SQLITE
async def test_speech_seconds(client: httpx.AsyncClient, worker: PretendWorker) -> None:
    job_id = await submit(client)
    worker.succeed(SEGMENTS)
    assert (await client.get(f"/v1/jobs/{job_id}")).json()["audio"]["speech_seconds"] == 1.5
