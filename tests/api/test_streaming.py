"""The front end as a separate process: limits, memory, disconnects and shutdown over a real network."""

import http.client
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from shrutlekh import ShrutlekhClient

from shared.settings import Settings
from tests.client.cutting_proxy import cutting

pytestmark = [
    pytest.mark.stack,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]

MEBIBYTE = 1024**2
HEAD = (
    b"POST /v1/jobs HTTP/1.1\r\nHost: test\r\nContent-Type: multipart/form-data; boundary=xyz\r\n%s\r\n\r\n"
)
FILE_PART = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
END = b"\r\n--xyz--\r\n"


@dataclass
class FrontEnd:
    process: subprocess.Popen[bytes]
    port: int
    files: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def stored(self) -> list[Path]:
        return list(self.files.glob("??/*"))

    def resident(self) -> int:
        return psutil.Process(self.process.pid).memory_info().rss


def start(settings: Settings, **changes: object) -> FrontEnd:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    values = (
        settings.model_dump()
        | {"port": port, "cors_origins": "", "trusted_proxies": "none", "webhook_allow": ""}
        | changes
    )
    environment = {
        f"SHRUTLEKH_{name.upper()}": str(value) for name, value in values.items() if value is not None
    }
    process = subprocess.Popen([sys.executable, "-m", "api"], env=os.environ | environment)
    front_end = FrontEnd(process, port, settings.files_dir)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            httpx.get(f"{front_end.url}/healthz")
            return front_end
        assert process.poll() is None, "it ended at once"
        time.sleep(0.05)
    raise AssertionError("it does not answer")


@pytest.fixture
def front_end(settings: Settings) -> Iterator[FrontEnd]:
    """A front end with an upload limit of a gigabyte."""
    front_end = start(settings, max_upload_bytes=1024**3)
    yield front_end
    front_end.process.terminate()
    front_end.process.wait(15)


@pytest.fixture
def narrow(settings: Settings) -> Iterator[FrontEnd]:
    """A front end with an upload limit of a megabyte."""
    front_end = start(settings, max_upload_bytes=1_000_000)
    yield front_end
    front_end.process.terminate()
    front_end.process.wait(15)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def answer(connection: socket.socket) -> tuple[int, bytes]:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, response.read()


def test_too_large_a_body_is_refused_while_it_arrives(narrow: FrontEnd) -> None:
    """Of 300 MB in chunks without Content-Length, only a small part is read before the rejection."""
    sent = 0
    with narrow.connect() as connection:
        connection.sendall(HEAD % b"Transfer-Encoding: chunked" + chunk(FILE_PART))
        with suppress(OSError):
            while sent < 300 * MEBIBYTE:
                connection.sendall(chunk(b"x" * MEBIBYTE))
                sent += MEBIBYTE
        assert sent < 64 * MEBIBYTE
    assert narrow.stored() == []
    assert httpx.get(f"{narrow.url}/v1/jobs").json()["jobs"] == []


def test_a_client_that_sends_on_still_gets_the_answer(narrow: FrontEnd) -> None:
    body = FILE_PART + b"x" * (8 * MEBIBYTE) + END
    for length in (b"Content-Length: %d" % len(body), b"Transfer-Encoding: chunked"):
        with narrow.connect() as connection:
            connection.sendall(HEAD % length)
            connection.sendall(body if length.startswith(b"C") else chunk(body) + b"0\r\n\r\n")
            status, problem = answer(connection)
        assert status == 413
        assert b"upload_too_large" in problem
    assert narrow.stored() == []


def test_a_client_that_asks_first_sends_nothing(narrow: FrontEnd) -> None:
    with narrow.connect() as connection:
        connection.sendall(HEAD % b"Content-Length: 5000000\r\nExpect: 100-continue")
        status, problem = answer(connection)
    assert status == 413
    assert b"upload_too_large" in problem


def test_memory_does_not_grow_with_the_upload_and_polls_stay_fast(front_end: FrontEnd) -> None:
    """A client polls while another uploads 200 MB."""
    size = 200 * MEBIBYTE
    with httpx.Client(base_url=front_end.url) as client:
        small = client.post("/v1/jobs", files={"file": b"x" * 100_000})
        path = small.headers["location"]
        before = front_end.resident()
        status: list[int] = []

        def upload() -> None:
            with front_end.connect() as connection:
                length = b"Content-Length: %d" % (len(FILE_PART) + size + len(END))
                connection.sendall(HEAD % length + FILE_PART)
                for _ in range(size // MEBIBYTE):
                    connection.sendall(b"x" * MEBIBYTE)
                connection.sendall(END)
                status.append(answer(connection)[0])

        uploading = threading.Thread(target=upload)
        uploading.start()
        largest, polls = 0, []
        while uploading.is_alive():
            began = time.monotonic()
            assert client.get(path).status_code == 200
            polls.append(time.monotonic() - began)
            largest = max(largest, front_end.resident())
            time.sleep(0.01)
        uploading.join()
        assert status == [202]
        newest = client.get("/v1/jobs").json()["jobs"][0]
    assert newest["file"]["bytes"] == size
    assert largest - before < 40 * MEBIBYTE
    polls.sort()
    assert polls[len(polls) // 2] < 0.1, "on a busy machine; the benchmark holds the real figure"


def test_an_upload_that_is_broken_off_leaves_nothing(front_end: FrontEnd) -> None:
    connection = front_end.connect()
    connection.sendall(HEAD % b"Content-Length: 50000000" + FILE_PART + b"x" * (5 * MEBIBYTE))
    deadline = time.monotonic() + 10
    while not front_end.stored():
        assert time.monotonic() < deadline, "nothing arrives"
        time.sleep(0.01)
    assert [path.suffix for path in front_end.stored()] == [".part"]
    connection.close()
    while front_end.stored():
        assert time.monotonic() < deadline, "the partial file stays"
        time.sleep(0.01)
    assert httpx.get(f"{front_end.url}/v1/jobs").json()["jobs"] == []


def test_a_job_outlives_the_client_that_waits_for_it(front_end: FrontEnd) -> None:
    with suppress(httpx.ReadTimeout):
        httpx.post(f"{front_end.url}/transcribe/", files={"file": b"x" * 1000}, timeout=1)
    (job,) = httpx.get(f"{front_end.url}/v1/jobs").json()["jobs"]
    assert job["status"] == "queued"
    assert len(front_end.stored()) == 1


def test_an_answer_that_is_lost_submits_nothing_twice(front_end: FrontEnd) -> None:
    """The project's client, over a connection that is cut before the responses."""
    with cutting(front_end.url, answers=3) as url, ShrutlekhClient(url) as client:
        job = client.submit(io.BytesIO(b"x" * 3_000_000), name="a.wav")
        assert client.job(job.id).status == "queued"
    assert [listed["id"] for listed in httpx.get(f"{front_end.url}/v1/jobs").json()["jobs"]] == [job.id]
    assert len(front_end.stored()) == 1


def test_a_stop_sends_home_who_waits(front_end: FrontEnd) -> None:
    path = httpx.post(f"{front_end.url}/v1/jobs", files={"file": b"x" * 1000}).headers["location"]
    statuses: list[int] = []

    def wait() -> None:
        statuses.append(httpx.get(f"{front_end.url}{path}?wait=30", timeout=40).status_code)

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.5)
    front_end.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    waiting.join(10)
    assert front_end.process.wait(10) == -signal.SIGTERM, "uvicorn passes the signal on when it is done"
    assert time.monotonic() - began < 4
    assert statuses == [200]
