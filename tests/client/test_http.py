"""The typed clients, each test for both: requests, answers, errors and retries."""

import functools
import io
import resource
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from shrutlekh.answers import Job
from shrutlekh.calls import SHORTEST_POLL_SECONDS
from shrutlekh.client import ShrutlekhClient
from shrutlekh.errors import ApiError, NotShrutlekh, RecordingUnreadable, Unreachable
from shrutlekh.retries import NO_RETRIES, PATIENT, Retries
from shrutlekh_contract.options import RecognitionOptions

from tests.client.blocking import Blocking
from tests.client.cutting_proxy import cutting
from tests.client.fake_service import PNG, FakeService, job_json

Answer = httpx.Response | Exception


Clients = Callable[..., Any]


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture(params=["sync", "async"])
def client_at(request: pytest.FixtureRequest, portal: BlockingPortal) -> Clients:
    """Makes clients of a service at a URL."""
    return ShrutlekhClient if request.param == "sync" else functools.partial(Blocking, portal)


@pytest.fixture
def client_of(client_at: Clients) -> Clients:
    """Makes a client that gets the answers one after another, the requests it makes and its pauses."""

    def make(
        *answers: Answer, retries: Retries | None = None
    ) -> tuple[Any, list[httpx.Request], list[float]]:
        requests: list[httpx.Request] = []
        pauses: list[float] = []
        queue = list(answers)

        def handle(request: httpx.Request) -> httpx.Response:
            request.read()
            requests.append(request)
            answer = queue.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

        transport = httpx.MockTransport(handle)
        client = client_at("http://service/", transport=transport, retries=retries, sleep=pauses.append)
        return client, requests, pauses

    return make


def job_answer(http: int = 200, headers: dict[str, str] | None = None, **changes: Any) -> httpx.Response:
    return httpx.Response(http, json=job_json(**changes), headers=headers)


def test_submit_sends_the_file_and_its_options(client_of: Clients, tmp_path: Path) -> None:
    path = tmp_path / "नमस्ते.wav"
    path.write_bytes(b"RIFF")
    client, requests, _ = client_of(job_answer(202, id="j1"))
    recognition = RecognitionOptions("beam", "each", ("मसूरी", "नई दिल्ली"), 2.5)
    job = client.submit(
        path, model="m", waveform=False, priority="low", client="archive", recognition=recognition
    )
    assert (job.id, job.status, job.final) == ("j1", "queued", False)
    (request,) = requests
    assert (request.method, str(request.url)) == ("POST", "http://service/v1/jobs")
    body = request.content.decode()
    assert 'name="file"; filename="नमस्ते.wav"' in body
    assert "RIFF" in body
    for name, value in {
        "model": "m",
        "transcript": "true",
        "waveform": "false",
        "priority": "low",
        "client": "archive",
        "decoder": "beam",
        "channels": "each",
        "hotwords": "मसूरी\nनई दिल्ली",
        "hotword_weight": "2.5",
    }.items():
        assert f'name="{name}"\r\n\r\n{value}\r\n' in body


def test_submit_sends_an_open_file_from_its_beginning_each_time(client_of: Clients) -> None:
    file = io.BytesIO(b"RIFF")
    file.seek(2)
    client, requests, _ = client_of(httpx.Response(503), job_answer(202))
    client.submit(file, name="a.wav")
    assert len(requests) == 2
    assert all(b"\r\n\r\nRIFF\r\n" in request.content for request in requests)


def test_submit_of_a_file_that_cannot_be_read(client_of: Clients, tmp_path: Path) -> None:
    client, requests, _ = client_of()
    with pytest.raises(RecordingUnreadable, match="cannot be read: No such file"):
        client.submit(tmp_path / "gone.wav")
    assert not requests


def test_a_name_that_is_no_utf8_can_be_sent(client_of: Clients) -> None:
    client, requests, _ = client_of(job_answer(202))
    client.submit(io.BytesIO(b"x"), name="caf\udce9.wav")
    assert "caf�.wav" in requests[0].content.decode()


def test_a_file_without_a_name_can_be_sent(client_of: Clients) -> None:
    client, requests, _ = client_of(job_answer(202), job_answer(202))
    client.submit(io.BytesIO(b"x"))
    assert 'filename="recording"' in requests[0].content.decode()
    with tempfile.TemporaryFile() as file:
        client.submit(file)


def test_a_job_is_typed(client_of: Clients) -> None:
    client, _, _ = client_of(
        job_answer(
            status="failed",
            error={"code": "audio_unreadable", "message": "No audio."},
            audio={"seconds": 1.5, "sample_rate": 8000, "channels": 2},
            stage_seconds={"audio": 0.25, "infer": 0.5},
        )
    )
    job = client.job("j")
    assert job.final
    assert job.error is not None
    assert (job.error.code, job.error.message) == ("audio_unreadable", "No audio.")
    assert job.audio is not None
    assert (job.audio.seconds, job.audio.sample_rate, job.audio.channels) == (1.5, 8000, 2)
    assert job.processing_seconds == 0.75


def test_wait_for_polls_until_the_end_and_reports_changes(client_of: Clients) -> None:
    client, requests, _ = client_of(
        job_answer(headers={"ETag": '"1"'}),
        httpx.Response(304),
        job_answer(status="running", progress=0.5, headers={"ETag": '"2"'}),
        job_answer(status="succeeded", progress=1.0, headers={"ETag": '"3"'}),
    )
    seen: list[Job] = []
    assert client.wait_for("j", seen.append, poll=7).status == "succeeded"
    assert [job.progress for job in seen] == [0.0, 0.5, 1.0]
    assert [request.headers.get("If-None-Match") for request in requests] == [None, '"1"', '"1"', '"2"']
    assert {request.url.params["wait"] for request in requests} == {"7"}
    assert all(request.extensions["timeout"]["read"] > 7 for request in requests)


def test_wait_for_without_a_listener_asks_for_the_end_only(client_of: Clients) -> None:
    client, requests, _ = client_of(
        job_answer(headers={"ETag": '"1"'}), job_answer(status="cancelled", headers={"ETag": '"2"'})
    )
    assert client.wait_for("j").status == "cancelled"
    assert not any("If-None-Match" in request.headers for request in requests)


def test_a_service_that_does_not_wait_is_not_hammered(client_of: Clients) -> None:
    client, _, pauses = client_of(*[job_answer()] * 5, job_answer(status="succeeded"))
    client.wait_for("j")
    assert len(pauses) == 5
    assert all(0.05 < pause <= SHORTEST_POLL_SECONDS for pause in pauses)


def test_jobs_are_paged(client_of: Clients) -> None:
    page = {"jobs": [job_json(id="1"), job_json(id="2")], "next_cursor": "c"}
    client, requests, _ = client_of(httpx.Response(200, json=page))
    answer = client.jobs(status="queued", limit=2)
    assert ([job.id for job in answer.jobs], answer.next_cursor) == (["1", "2"], "c")
    assert dict(requests[0].url.params) == {"status": "queued", "limit": "2"}


def test_results_and_the_rest(client_at: Clients, service: FakeService) -> None:
    with client_at(service.url) as client:
        job = client.wait_for(client.submit(io.BytesIO(b"abc"), name="a.wav").id)
        assert client.transcript(job.id)["text"] == "नमस्ते a.wav"
        assert client.transcript_text(job.id) == "txt spoken नमस्ते a.wav\n"
        assert client.transcript_text(job.id, "srt", "latin") == "srt latin नमस्ते a.wav\n"
        assert client.waveform_png(job.id) == PNG
        assert client.models()["default"] == "hi-ctc-base"
        assert client.ready().ready
        assert client.delete(job.id) is None
        with pytest.raises(ApiError) as raised:
            client.delete(job.id)
    assert (raised.value.code, raised.value.status) == ("job_not_found", 404)
    assert str(raised.value) == "There is no such job. (job_not_found, HTTP 404)"


def test_a_service_that_is_not_ready_says_what_is_missing(client_of: Clients) -> None:
    checks = {"database": {"ok": True}, "redis": {"ok": False}, "workers": {"ok": False, "count": 0}}
    client, _, pauses = client_of(httpx.Response(503, json={"status": "not_ready", "checks": checks}))
    readiness = client.ready()
    assert (readiness.ready, readiness.missing, pauses) == (False, "redis, workers", [])


@pytest.mark.parametrize(
    "failure",
    [
        httpx.Response(503),
        httpx.Response(429),
        httpx.Response(507),
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("cut"),
    ],
    ids=str,
)
def test_what_may_pass_is_tried_again_with_growing_pauses(client_of: Clients, failure: Answer) -> None:
    retries = Retries(attempts=4, base=1.0, longest=3.0)
    client, requests, pauses = client_of(failure, failure, failure, job_answer(), retries=retries)
    assert client.job("j").status == "queued"
    assert len(requests) == 4
    assert all(
        low <= pause <= high for pause, (low, high) in zip(pauses, [(0.5, 1), (1, 2), (1.5, 3)], strict=True)
    )


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422, 500])
def test_what_stays_is_not_tried_again(client_of: Clients, status: int) -> None:
    client, requests, _ = client_of(httpx.Response(status, json={"code": "x", "detail": "No."}))
    with pytest.raises(ApiError) as raised:
        client.job("j")
    assert (raised.value.code, raised.value.message, raised.value.status) == ("x", "No.", status)
    assert len(requests) == 1


def test_retry_after_is_a_lower_bound_within_reason(client_of: Clients) -> None:
    answers = [httpx.Response(429, headers={"Retry-After": after}) for after in ("2", "86400", "Wed, 21 Oct")]
    client, _, pauses = client_of(
        *answers, job_answer(), retries=Retries(attempts=4, base=0.5, longest_asked=10.0)
    )
    client.job("j")
    assert pauses[:2] == [2.0, 10.0]
    assert pauses[2] <= 2.0


def test_a_full_queue_is_waited_out_by_who_is_patient(client_of: Clients) -> None:
    full = [httpx.Response(429, json={"detail": "Full."}, headers={"Retry-After": "250"}) for _ in range(30)]
    told: list[tuple[str, float]] = []
    client, requests, pauses = client_of(*full, job_answer(202), retries=PATIENT)
    client.submit(io.BytesIO(b"x"), on_wait=lambda reason, seconds: told.append((reason, seconds)))
    assert len(requests) == 31
    assert pauses == [250.0] * 30
    assert told == [("Full.", 250.0)] * 30
    client, requests, _ = client_of(*full)
    with pytest.raises(ApiError, match=r"Full\."):
        client.submit(io.BytesIO(b"x"))
    assert len(requests) == 4


def test_a_full_queue_does_not_use_up_the_patience_with_outages(client_of: Clients) -> None:
    full = httpx.Response(429, headers={"Retry-After": "1"})
    away = [httpx.Response(503)] * (PATIENT.attempts - 1)
    client, requests, _ = client_of(*away, full, *away, job_answer(202), retries=PATIENT)
    client.submit(io.BytesIO(b"x"))
    assert len(requests) == 2 * PATIENT.attempts
    client, _, _ = client_of(*[httpx.Response(429)] * PATIENT.attempts, retries=PATIENT)
    with pytest.raises(ApiError):  # one that does not say when is no full queue of ours
        client.submit(io.BytesIO(b"x"))


def test_the_key_is_one_for_a_submission_and_its_repetitions(client_of: Clients) -> None:
    client, requests, _ = client_of(
        httpx.ReadError("reset"), httpx.Response(503), job_answer(202), job_answer(202), job_answer(202)
    )
    for key in (None, None, "mine"):
        client.submit(io.BytesIO(b"x"), idempotency_key=key)
    keys = [request.headers["Idempotency-Key"] for request in requests]
    assert keys[0] == keys[1] == keys[2]
    assert len(set(keys)) == 3
    assert keys[-1] == "mine"


def test_an_answer_that_is_lost_submits_nothing_twice(client_at: Clients, service: FakeService) -> None:
    with cutting(service.url, answers=2) as url, client_at(url, sleep=lambda _: None) as client:
        job = client.submit(io.BytesIO(b"abc"), name="a.wav")
    assert service.uploads == ["a.wav"]
    assert list(service.jobs) == [job.id]


def test_retry(client_at: Clients, service: FakeService) -> None:
    service.outcome = {"a.wav": {"status": "failed", "error": {"code": "x", "message": "y"}}}
    with client_at(service.url) as client:
        job = client.wait_for(client.submit(io.BytesIO(b"abc"), name="a.wav").id)
        assert job.status == "failed"
        service.outcome = {}
        assert client.retry(job.id).status == "queued"
        assert client.wait_for(job.id).status == "succeeded"
        with pytest.raises(ApiError, match="illegal_transition"):
            client.retry(job.id)


def test_tries_are_bounded_and_the_last_error_is_told(client_of: Clients) -> None:
    client, requests, _ = client_of(*[httpx.ConnectError("refused")] * 4)
    with pytest.raises(
        Unreachable, match=r"No Shrutlekh answers at http://service\. Start one with `shrutlekh"
    ):
        client.job("j")
    assert len(requests) == 4
    client, requests, _ = client_of(
        httpx.Response(503, json={"code": "database_unavailable"}), retries=NO_RETRIES
    )
    with pytest.raises(ApiError, match="Service Unavailable"):
        client.job("j")


@pytest.mark.parametrize("jitter", [0.0, 1.0])
def test_delays_stay_within_their_bounds(jitter: float) -> None:
    retries = Retries(base=0.25, longest=20.0)
    delays = [retries.delay(tried, jitter=lambda: jitter) for tried in range(1, 40)]
    assert delays == sorted(delays)
    assert delays[0] == 0.25 * (0.5 + jitter / 2)
    assert delays[-1] == 20.0 * (0.5 + jitter / 2)


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.job("j"),
        lambda client: client.jobs(),
        lambda client: client.models(),
        lambda client: client.ready(),
        lambda client: client.transcript("j"),
    ],
)
@pytest.mark.parametrize("answer", [{"text": "<html>"}, {"json": {}}, {"json": []}, {"json": None}], ids=str)
def test_an_answer_of_another_shape(
    client_of: Clients, answer: dict[str, Any], call: Callable[[Any], object]
) -> None:
    client, _, _ = client_of(httpx.Response(200, **answer))
    with pytest.raises(NotShrutlekh, match="The server at http://service is not Shrutlekh"):
        call(client)


def test_an_error_without_a_problem_document(client_of: Clients) -> None:
    client, _, _ = client_of(httpx.Response(502, text="<h1>Bad gateway</h1>"))
    with pytest.raises(ApiError, match=r"The server answered 502 Bad Gateway. \(http_502, HTTP 502\)"):
        client.job("j")


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://x", "http://x:port"])
def test_a_url_that_is_none(client_at: Clients, url: str) -> None:
    with pytest.raises(Unreachable, match="is not a URL"), client_at(url) as client:
        client.ready()


def test_a_proxy_is_not_asked_for_this_machine(
    client_at: Clients, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with client_at(service.url) as client:
        assert client.ready().ready


def test_a_large_upload_is_streamed(client_at: Clients, tmp_path: Path) -> None:
    """256 MB from a sparse file raise the process's memory by a small part of that."""
    path = tmp_path / "large.wav"
    with path.open("wb") as file:
        file.truncate(size := 256 * 1024**2)
    received = 0

    def receive(listener: socket.socket) -> None:
        nonlocal received
        connection, _ = listener.accept()
        with connection:
            end = b""
            while end != b"--\r\n":  # of the form's last boundary
                block = connection.recv(1 << 20)
                received += len(block)
                end = (end + block)[-4:]
            connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=receive, args=(listener,))
        thread.start()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with client_at(url) as client, pytest.raises(ApiError, match="413"):
            client.submit(path)
        thread.join()
    assert received >= size
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


class Growing(io.FileIO):
    """A recording that goes on while it is uploaded."""

    def read(self, size: int = -1) -> bytes:
        with Path(str(self.name)).open("ab") as file:
            file.write(b"more")
        return super().read(size)


class Shrinking(io.FileIO):
    """A recording that is cut off while it is uploaded."""

    def read(self, size: int = -1) -> bytes:
        return super().read(size) if self.tell() < 1_000_000 else b""


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_file_that_shrinks_while_it_is_sent(client_of: Clients, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"x" * 4_000_000)
    client, _, _ = client_of(job_answer(202))
    with Shrinking(path) as file, pytest.raises(RecordingUnreadable, match="became shorter"):
        client.submit(file, name="a.wav")  # type: ignore[arg-type]


def test_a_file_that_grows_is_sent_as_it_was(
    client_at: Clients, tmp_path: Path, service: FakeService
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"x" * 400_000)
    with Growing(path) as file, client_at(service.url) as client:
        assert client.submit(file, name="a.wav").file.bytes == 400_000  # type: ignore[arg-type]
    assert path.stat().st_size > 400_000
