"""Live sessions with the client and `shrutlekh listen`, against a server that answers as a test says."""

import asyncio
import json
import subprocess
import sys
import threading
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from shrutlekh import (
    AsyncShrutlekhClient,
    LiveDone,
    LivePartial,
    LiveReady,
    LiveSegment,
    LiveSessionEnded,
    NotShrutlekh,
    Unreachable,
)
from shrutlekh_contract.options import SubmissionOptions
from websockets.sync.server import ServerConnection, serve

READY = {"type": "ready", "id": "1", "model": "m", "language": "hi", "sample_rate": 16000}
PARTIAL = {"type": "partial", "text": "मन", "stable": 0, "start": 0.0, "end": 1.0}
WORD = {"text": "मन", "start": 0.1, "end": 0.4, "confidence": 0.9}
SEGMENT = {"type": "segment", "text": "मन", "start": 0.1, "end": 0.4, "confidence": 0.9, "words": [WORD]}
DONE = {"type": "done", "text": "मन", "seconds": 1.0, "speech_seconds": 0.5, "no_speech": False}


class Server:
    """Counts the bytes that come, and answers `finish` with the rest of a session."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.bytes = 0
        self.error: dict[str, Any] | None = None
        self._server = serve(self._handle, "127.0.0.1", 0)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.socket.getsockname()[1]}"

    def _handle(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.paths.append(connection.request.path)
        connection.send(json.dumps(READY))
        connection.send('{"type": "of a later version"}')
        for message in connection:
            if isinstance(message, bytes):
                self.bytes += len(message)
                connection.send(json.dumps(PARTIAL))
                if self.error is not None:
                    connection.send(json.dumps(self.error))
                    connection.close(4429, "session_flooded")
            else:
                assert json.loads(message) == {"type": "finish"}
                for event in (SEGMENT, DONE):
                    connection.send(json.dumps(event))
                connection.close()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


async def talk(url: str, options: SubmissionOptions) -> list[object]:
    async with AsyncShrutlekhClient(url) as client, client.stream(8000, options) as session:
        await session.send(bytes(1600))
        await session.finish()
        return [event async for event in session]


def test_a_session(server: Server) -> None:
    options = SubmissionOptions(hotwords=("मन", "तन"), numerals="latin", model="m", priority="high")
    ready, partial, segment, done = asyncio.run(talk(server.url, options))
    assert isinstance(ready, LiveReady)
    assert isinstance(partial, LivePartial)
    assert isinstance(segment, LiveSegment)
    assert segment.words[0].end == 0.4
    assert isinstance(done, LiveDone)
    assert server.bytes == 1600
    (path,) = server.paths
    assert urlsplit(path).path == "/v1/stream"
    query = parse_qs(urlsplit(path).query)
    assert query == {"sample_rate": ["8000"], "hotwords": ["मन\nतन"], "numerals": ["latin"]}


def test_an_error(server: Server) -> None:
    server.error = {"type": "error", "code": "session_flooded", "message": "Too much."}
    with pytest.raises(LiveSessionEnded, match="Too much") as ended:
        asyncio.run(talk(server.url, SubmissionOptions()))
    assert (ended.value.code, ended.value.close_code) == ("session_flooded", 4429)


@pytest.mark.parametrize(
    ("url", "error"),
    [("http://127.0.0.1:9", Unreachable), ("http://[", Unreachable)],
)
def test_no_service(url: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        asyncio.run(talk(url, SubmissionOptions()))


def test_another_service(httpd: str) -> None:
    with pytest.raises(NotShrutlekh):
        asyncio.run(talk(httpd, SubmissionOptions()))


@pytest.fixture
def httpd() -> Iterator[str]:
    from http.server import BaseHTTPRequestHandler, HTTPServer

    httpd = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def listen(*arguments: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "shrutlekh", "listen", *arguments]
    return subprocess.run(command, capture_output=True, timeout=60, check=False, **more)


def test_listen_to_a_file_and_to_stdin(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16_000 * 3))
    found = listen(str(path), "--fast", "--url", server.url)
    assert (found.returncode, found.stdout.decode()) == (0, "मन\n")
    assert server.bytes == 48_000
    found = listen("-", "--url", server.url, "--rate", "16000", input=bytes(10_000))
    assert (found.returncode, found.stdout.decode()) == (0, "मन\n")
    assert server.bytes == 58_000
    assert [parse_qs(urlsplit(path).query)["sample_rate"] for path in server.paths] == [["8000"], ["16000"]]


def test_listen_to_what_is_no_recording(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"no recording")
    found = listen(str(tmp_path / "a.wav"), "--url", server.url)
    assert found.returncode == 2
    assert b"cannot be read as a WAV file" in found.stderr
    found = listen("-", "--url", "http://127.0.0.1:9", input=b"")
    assert found.returncode == 2
    assert b"No service answers" in found.stderr
