"""Live sessions with the whole service: the shipped model, a real Redis, processes that die."""

import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.stack.conftest import Service

pytestmark = pytest.mark.stack

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
PATIENCE = 60.0


@contextmanager
def session(service: Service, rate: int) -> Iterator[ClientConnection]:
    """A session that a worker has taken: it may still be starting."""
    url = f"{service.url.replace('http', 'ws', 1)}/v1/stream?sample_rate={rate}"
    deadline = time.monotonic() + PATIENCE
    while True:
        with connect(url, compression=None, open_timeout=PATIENCE) as connection:
            first = json.loads(connection.recv(PATIENCE))
            if first["type"] == "ready":
                yield connection
                return
            assert first["code"] == "live_unavailable", first
            assert time.monotonic() < deadline


def events_of(connection: ClientConnection) -> list[dict[str, Any]]:
    """All events, to the end of the connection."""
    events: list[dict[str, Any]] = []
    while True:
        try:
            events.append(json.loads(connection.recv(PATIENCE)))
        except ConnectionClosed:
            return events


@pytest.fixture(scope="module")
def recording() -> tuple[bytes, int]:
    """A recording of a few seconds as samples, and its rate."""
    samples, rate = soundfile.read(SAMPLES / "rain.wav", dtype="int16")
    assert samples.ndim == 1
    return samples[: 8 * rate].astype("<i2").tobytes(), rate


def test_the_text_is_that_of_a_job(service: Service, recording: tuple[bytes, int]) -> None:
    pcm, rate = recording
    with session(service, rate) as connection:
        piece = rate // 10 * 2
        for begin in range(0, len(pcm), piece):
            connection.send(pcm[begin : begin + piece])
            time.sleep(0.02)
        connection.send('{"type": "finish"}')
        events = events_of(connection)
        assert connection.close_code == 1000
    wav = io.BytesIO()
    soundfile.write(wav, np.frombuffer(pcm, "<i2"), rate, format="WAV", subtype="PCM_16")
    job = service.http.post("/transcribe/", files={"file": ("a.wav", wav.getvalue())}).json()
    assert any(event["text"] for event in events if event["type"] == "partial")
    segments = [event for event in events if event["type"] == "segment"]
    assert segments
    assert [{name: event[name] for name in job["segments"][0]} for event in segments] == job["segments"]
    assert events[-1]["type"] == "done"
    assert events[-1]["text"] == job["text"]
    assert events[-1]["seconds"] == pytest.approx(job["seconds"], abs=0.001)


def test_a_worker_that_is_killed_is_noticed_and_replaced(
    service: Service, recording: tuple[bytes, int]
) -> None:
    pcm, rate = recording
    with session(service, rate) as connection:
        (worker,) = live_workers(service)
        worker.kill()
        connection.send(pcm)
        *_, error = events_of(connection)
        assert error["code"] == "worker_lost"
        assert connection.close_code == 4011
    with session(service, rate) as connection:
        connection.send(pcm)
        connection.send('{"type": "finish"}')
        assert events_of(connection)[-1]["type"] == "done"


def live_workers(service: Service) -> list[psutil.Process]:
    """The live workers of a service, told from those of other tests by its folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if "worker.streaming" in (process.info["cmdline"] or []):
            with process.oneshot():
                if process.environ().get("SHRUTLEKH_DATA_DIR") == str(service.data):
                    found.append(process)
    return found
