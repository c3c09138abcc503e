"""Batches with the typed clients, each test for both: requests, answers, downloads, errors."""

import functools
import io
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from shrutlekh import Batch
from shrutlekh.client import ShrutlekhClient
from shrutlekh.errors import ApiError, RecordingUnreadable, Unreachable

from tests.client.blocking import Blocking
from tests.client.fake_service import job_json

Answer = httpx.Response | Exception
Connect = Callable[..., tuple[Any, list[httpx.Request]]]


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes a client that gets the answers one after another, and the requests that it makes."""
    with start_blocking_portal() as portal:
        make_client = ShrutlekhClient if request.param == "sync" else functools.partial(Blocking, portal)

        def make(*answers: Answer) -> tuple[Any, list[httpx.Request]]:
            requests: list[httpx.Request] = []
            queue = list(answers)

            def handle(request: httpx.Request) -> httpx.Response:
                request.read()
                requests.append(request)
                answer = queue.pop(0)
                if isinstance(answer, Exception):
                    raise answer
                return answer

            transport = httpx.MockTransport(handle)
            return make_client("http://service/", transport=transport, sleep=lambda _: None), requests

        yield make


def batch_json(**changes: Any) -> dict[str, Any]:
    """A batch document as the service gives it."""
    counts = {"queued": 2, "running": 0, "succeeded": 0, "failed": 0, "cancelled": 0}
    return {
        "id": "b1",
        "name": "",
        "status": "queued",
        "progress": 0.0,
        "jobs": 2,
        "counts": counts,
        "erased": 0,
        "total_bytes": 8,
        "created_at": "2026-01-02T03:04:05Z",
        "finished_at": None,
        "seconds_left": None,
        "expected_finish_at": None,
        "skipped": [{"name": "__MACOSX/", "reason": "clutter"}],
        "options": {},
        "links": {"self": "/v1/batches/b1"},
        "a_field_of_tomorrow": 1,
        **changes,
    }


def answer(http: int = 200, headers: dict[str, str] | None = None, **changes: Any) -> httpx.Response:
    return httpx.Response(http, json=batch_json(**changes), headers=headers)


DONE = {"status": "finished", "finished_at": "2026-01-02T03:05:05Z", "progress": 1.0}


def test_files_are_sent_with_their_folders(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "मई").mkdir()
    for name in ("a.wav", "मई/b.wav"):
        (tmp_path / name).write_bytes(b"RIFF" + name.encode())
    client, requests = connect(answer(202))
    batch = client.submit_batch(
        [tmp_path / "a.wav", tmp_path / "मई" / "b.wav"], root=tmp_path, name="tapes", priority="low"
    )
    assert isinstance(batch, Batch)
    assert (batch.jobs, batch.skipped[0].name, batch.final) == (2, "__MACOSX/", False)
    (request,) = requests
    body = request.content
    assert (request.method, request.url.path) == ("POST", "/v1/batches")
    assert len(request.headers["idempotency-key"]) == 36
    assert b'name="file"; filename="a.wav"' in body
    assert 'filename="मई/b.wav"'.encode() in body
    assert "RIFFमई/b.wav".encode() in body
    assert b'name="name"\r\n\r\ntapes' in body
    assert b'name="priority"\r\n\r\nlow' in body


def test_an_archive_is_sent_in_its_part(connect: Connect, tmp_path: Path) -> None:
    path = tmp_path / "tapes.zip"
    path.write_bytes(b"PK")
    client, requests = connect(answer(202), answer(202))
    client.submit_batch(archive=path)
    client.submit_batch(archive=io.BytesIO(b"PK"))
    assert b'name="archive"; filename="tapes.zip"' in requests[0].content
    assert b'name="archive"; filename="recording"' in requests[1].content


def test_a_lost_answer_is_repeated_with_the_same_key(connect: Connect, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF")
    client, requests = connect(httpx.ReadError("broken"), answer(202))
    client.submit_batch([path])
    first, second = requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert b"RIFF" in first.content
    assert b"RIFF" in second.content


def test_more_files_than_may_be_open(connect: Connect, tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}.wav" for n in range(300)]
    for path in paths:
        path.write_bytes(b"RIFF")
    client, requests = connect(answer(202))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 200), hard))
    try:
        client.submit_batch(paths)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert requests[0].content.count(b"RIFF") == 300


def test_files_that_cannot_be_sent(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    client, requests = connect()
    with pytest.raises(RecordingUnreadable):
        client.submit_batch([tmp_path / "missing.wav"])
    with pytest.raises(RecordingUnreadable):
        client.submit_batch([tmp_path / "a.wav"], root=tmp_path / "elsewhere")
    assert requests == []


def test_waiting_follows_the_changes(connect: Connect) -> None:
    seen: list[float] = []
    client, requests = connect(
        answer(headers={"ETag": "1"}), httpx.Response(304), answer(**DONE, headers={"ETag": "2"})
    )
    batch = client.wait_for_batch("b1", lambda batch: seen.append(batch.progress), poll=5)
    assert batch.final
    assert seen == [0.0, 1.0]
    assert [request.headers.get("if-none-match") for request in requests] == [None, "1", "1"]
    assert requests[0].url.params["wait"] == "5"


def test_the_other_calls(connect: Connect) -> None:
    client, requests = connect(
        answer(),
        httpx.Response(200, json={"batches": [batch_json()], "next_cursor": "c"}),
        answer(**DONE),
        httpx.Response(204),
        httpx.Response(200, json={"jobs": [job_json(batch_id="b1")], "next_cursor": None}),
    )
    assert client.batch("b1").id == "b1"
    page = client.batches(limit=1, cursor="x")
    assert (page.batches[0].id, page.next_cursor) == ("b1", "c")
    assert client.delete_batch("b1").final
    assert client.delete_batch("b1") is None
    assert client.jobs(batch="b1").jobs[0].batch_id == "b1"
    assert [request.method for request in requests] == ["GET", "GET", "DELETE", "DELETE", "GET"]
    assert requests[-1].url.params["batch"] == "b1"


def test_results_are_saved(connect: Connect, tmp_path: Path) -> None:
    path = tmp_path / "results.zip"
    content = b"PK" + bytes(10**6)
    client, requests = connect(httpx.Response(200, content=content))
    saved = client.results_zip("b1", path, formats=["srt", "json"], waveform=True, partial=True)
    assert saved == path
    assert path.read_bytes() == content
    params = dict(requests[0].url.params)
    assert params == {"format": "srt,json", "waveform": "true", "partial": "true"}
    assert list(tmp_path.iterdir()) == [path]


def test_results_that_do_not_come_leave_the_file_as_it_was(connect: Connect, tmp_path: Path) -> None:
    path = tmp_path / "results.zip"
    path.write_bytes(b"before")
    problem = {"code": "batch_not_finished", "detail": "Not all jobs have ended."}
    client, _ = connect(httpx.Response(409, json=problem))
    with pytest.raises(ApiError) as refused:
        client.results_zip("b1", path)
    assert refused.value.code == "batch_not_finished"

    def broken() -> Iterator[bytes]:
        yield b"PK"
        raise httpx.ReadError("broken")

    class Broken(httpx.SyncByteStream, httpx.AsyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield from broken()

        async def __aiter__(self) -> Any:
            for block in broken():
                yield block

    client, requests = connect(*(httpx.Response(200, stream=Broken()) for _ in range(20)))
    with pytest.raises(Unreachable):
        client.results_zip("b1", path)
    assert len(requests) > 1, "the download is tried again"
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
