"""The WebSocket of live sessions, over a real connection, with a worker that does as the test says."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import uvicorn
from redis import Redis
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from api.__main__ import FRAME_BYTES, Server
from api.app import create_app
from shared.database import Database
from shared.keys import Scope
from shared.live import (
    BEAT,
    CLAIMED,
    DONE,
    FAILED,
    FINISHED,
    GONE,
    PARTIAL,
    READY,
    SEGMENT,
    WAITING,
    Opening,
    SessionEnd,
    events_key,
)
from shared.presence import beat
from shared.settings import Settings
from tests.api.front_end import give_language_model
from tests.api.keys import bearer, make_key
from worker.streaming.mailbox import Mailbox

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

PATIENCE = 10.0
SECOND = bytes(32_000)
WORKERS = "shrutlekh:live:workers"


class Api:
    """A running API."""

    def __init__(self, settings: Settings) -> None:
        app = create_app(settings)
        config = uvicorn.Config(app, port=0, log_config=None, ws_max_size=FRAME_BYTES, proxy_headers=False)
        self._server = Server(app, config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        self.port: int = self._server.servers[0].sockets[0].getsockname()[1]

    def connect(
        self, query: str = "sample_rate=16000", path: str = "/v1/stream", **more: Any
    ) -> ClientConnection:
        return connect(f"ws://127.0.0.1:{self.port}{path}?{query}", compression=None, **more)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


@contextmanager
def serving(settings: Settings) -> Iterator[Api]:
    api = Api(settings)
    try:
        yield api
    finally:
        api.stop()


@pytest.fixture
def api(settings: Settings) -> Iterator[Api]:
    with serving(settings) as api:
        yield api


class Worker:
    """Takes sessions and sends events by hand."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.mailbox = Mailbox(redis)
        beat(redis, "live", 60.0, WORKERS)

    def take(self) -> Opening:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            opening = self.mailbox.claim(0.5)
            if opening is not None:
                self.send(opening, {"type": CLAIMED}, {"type": READY, "model": "m", "language": "hi"})
                return opening
        raise AssertionError("no opening")

    def send(self, opening: Opening, *events: dict[str, Any]) -> None:
        self.mailbox.send(opening.session, events)

    def audio(self, opening: Opening) -> tuple[bytes, bytes]:
        """Read a session's audio to its end."""
        pcm, deadline = b"", time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for arrived in self.mailbox.arrived([opening.session], 0.2).values():
                pcm += arrived.pcm
                if arrived.last:
                    return pcm, arrived.last
        raise AssertionError("no end of the audio")


@pytest.fixture
def worker(settings: Settings) -> Iterator[Worker]:
    with Redis.from_url(settings.redis_url) as redis:
        yield Worker(redis)


def next_of(connection: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(connection.recv(PATIENCE))
    return message


def end_of(connection: ClientConnection) -> tuple[str, SessionEnd]:
    """Return the code of the error message, and the end that the close code tells."""
    error = next_of(connection)
    while error["type"] != "error":
        error = next_of(connection)
    assert error.keys() == {"type", "code", "message"}
    with pytest.raises(ConnectionClosed):
        connection.recv(PATIENCE)
    (end,) = [end for end in SessionEnd if end.close_code == connection.close_code]
    return error["code"], end


DONE_EVENT = {"type": DONE, "text": "मन", "seconds": 2.0, "speech_seconds": 1.0, "no_speech": False}


def test_a_session(api: Api, worker: Worker) -> None:
    with api.connect("sample_rate=8000&format=s16le&decoder=greedy&numerals=latin") as client:
        opening = worker.take()
        assert (opening.sample_rate, opening.numerals) == (8000, "latin")
        assert opening.options["decoder"] == "greedy"
        ready = next_of(client)
        assert ready == {
            "type": "ready",
            "id": opening.session,
            "model": "m",
            "language": "hi",
            "sample_rate": 8000,
        }
        client.send(b"ab")
        client.send(b"c")
        client.send(bytes(200_000))
        partial = {"type": PARTIAL, "start": 0.0, "end": 1.0, "text": "मन", "stable": 0}
        worker.send(opening, partial | {"heard": 1.0}, {"type": BEAT, "heard": 1.5})
        assert next_of(client) == partial
        client.send('{"type": "finish"}')
        client.send(b"too late")
        assert worker.audio(opening) == (b"abc" + bytes(200_000), FINISHED)
        segment = {"type": SEGMENT, "start": 0.1, "end": 0.5, "text": "मन", "words": []}
        worker.send(opening, segment | {"heard": 2.0}, DONE_EVENT)
        assert next_of(client) == segment
        assert next_of(client) == DONE_EVENT
        with pytest.raises(ConnectionClosed):
            client.recv(PATIENCE)
        assert client.close_code == 1000
    deadline = time.monotonic() + PATIENCE
    while worker.redis.exists(events_key(opening.session)):
        assert time.monotonic() < deadline
    assert not worker.redis.exists(WAITING)


def test_a_client_that_leaves_is_told_to_the_worker(api: Api, worker: Worker) -> None:
    with api.connect() as client:
        opening = worker.take()
        next_of(client)
        client.send(SECOND)
    assert worker.audio(opening)[1] == GONE


def test_a_connection_that_breaks_is_told_to_the_worker(api: Api, worker: Worker) -> None:
    with api.connect() as client:
        opening = worker.take()
        client.send(SECOND)
        client.socket.shutdown(socket.SHUT_RDWR)
        assert worker.audio(opening)[1] == GONE


@pytest.mark.parametrize(
    "query",
    [
        "",
        "sample_rate=",
        "sample_rate=7999",
        "sample_rate=48001",
        "sample_rate=16000.0",
        "sample_rate=-16000",
        "sample_rate=１６０００",
        "sample_rate=16000&sample_rate=16000",
        "sample_rate=16000&format=f32le",
        "sample_rate=16000&decoder=magic",
        "sample_rate=16000&decoder=beam",  # the model has no language model
        "sample_rate=16000&hotwords=नमन",
        "sample_rate=16000&hotwords=abc",
        "sample_rate=16000&numerals=roman",
        "sample_rate=16000&channels=each",
        "sample_rate=16000&model=another",
        "sample_rate=16000&priority=high",
        "sample_rate=16000&no_such=1",
    ],
)
def test_an_invalid_opening(api: Api, worker: Worker, query: str) -> None:
    with api.connect(query) as client:
        code, end = end_of(client)
    assert end is SessionEnd.INVALID
    assert code in ("invalid_request", "decoder_unavailable")
    assert not worker.redis.exists(WAITING)


def test_options_of_a_model_with_a_language_model(api: Api, worker: Worker, settings: Settings) -> None:
    give_language_model(settings.models_dir)
    with api.connect("sample_rate=16000&hotwords=नमन,मन&hotword_weight=3") as client:
        opening = worker.take()
        assert opening.options["hotwords"] == ["नमन", "मन"]
        assert opening.options["hotword_weight"] == 3.0
        next_of(client)


@pytest.mark.parametrize(
    "message", ["", "hello", "{", "[]", "null", '"finish"', "{}", '{"type": "stop"}', "[" * 100_000, "\x00"]
)
def test_a_text_message_that_is_not_understood(api: Api, worker: Worker, message: str) -> None:
    with api.connect() as client:
        opening = worker.take()
        client.send(message)
        assert end_of(client) == ("invalid_request", SessionEnd.INVALID)
    assert worker.audio(opening)[1] == GONE


def test_a_message_that_is_too_large(api: Api, worker: Worker) -> None:
    with api.connect() as client:
        opening = worker.take()
        next_of(client)
        client.send(bytes(FRAME_BYTES + 1))
        with pytest.raises(ConnectionClosed):
            client.recv(PATIENCE)
        assert client.close_code == 1009
    assert worker.audio(opening)[1] == GONE


def test_a_flood(api: Api, worker: Worker) -> None:
    with api.connect() as client:
        worker.take()
        for _ in range(32):
            client.send(SECOND)
        assert end_of(client) == ("session_flooded", SessionEnd.FLOODED)


def test_a_stall(settings: Settings, worker: Worker) -> None:
    with serving(settings.model_copy(update={"stream_stall_seconds": 0.5})) as api, api.connect() as client:
        opening = worker.take()
        for _ in range(4):
            client.send(SECOND)
            time.sleep(0.2)
        client.send(b"")  # no audio
        assert end_of(client) == ("session_stalled", SessionEnd.STALLED)
        assert worker.audio(opening)[1] == GONE


def test_after_the_end_of_its_audio_a_session_does_not_stall(settings: Settings, worker: Worker) -> None:
    with serving(settings.model_copy(update={"stream_stall_seconds": 0.3})) as api, api.connect() as client:
        opening = worker.take()
        client.send('{"type": "finish"}')
        time.sleep(0.6)
        worker.send(opening, DONE_EVENT)
        assert [next_of(client)["type"] for _ in range(2)] == ["ready", "done"]


def test_too_long(settings: Settings, worker: Worker) -> None:
    with serving(settings.model_copy(update={"max_audio_seconds": 3.0})) as api, api.connect() as client:
        worker.take()
        for _ in range(4):
            client.send(SECOND)
        assert end_of(client) == ("audio_too_long", SessionEnd.TOO_LONG)


def test_no_worker(api: Api, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.live.relay.CLAIM_SECONDS", 0.1)
    monkeypatch.setattr("api.live.relay.START_SECONDS", 0.2)
    with api.connect() as client:
        assert end_of(client) == ("live_busy", SessionEnd.NO_ROOM)
    worker.redis.delete(WORKERS)
    with api.connect() as client:
        assert end_of(client) == ("live_unavailable", SessionEnd.UNAVAILABLE)
    deadline = time.monotonic() + PATIENCE
    while worker.redis.exists(WAITING):
        assert time.monotonic() < deadline


def test_turned_off(settings: Settings) -> None:
    with serving(settings.model_copy(update={"stream_sessions": 0})) as api, api.connect() as client:
        assert end_of(client) == ("live_unavailable", SessionEnd.UNAVAILABLE)


def test_a_worker_that_falls_silent(api: Api, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.live.relay.SILENT_SECONDS", 0.2)
    with api.connect() as client:
        worker.take()
        assert end_of(client) == ("worker_lost", SessionEnd.WORKER_LOST)


def test_a_worker_that_is_far_behind(api: Api, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.live.pacing.BEHIND_SECONDS", 2.0)
    with api.connect() as client:
        opening = worker.take()
        next_of(client)
        client.send(SECOND * 2)
        worker.send(opening, {"type": BEAT, "heard": 1.5})
        time.sleep(0.2)
        client.send(SECOND)
        client.send(SECOND)
        assert end_of(client) == ("live_busy", SessionEnd.NO_ROOM)


def test_an_error_of_the_worker(api: Api, worker: Worker) -> None:
    with api.connect() as client:
        opening = worker.take()
        failed = {"type": FAILED, "end": "INVALID", "code": "hotwords_unsupported", "message": "No."}
        worker.send(opening, failed)
        assert end_of(client) == ("hotwords_unsupported", SessionEnd.INVALID)


def test_redis_is_away(settings: Settings) -> None:
    away = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    with serving(away) as api, api.connect() as client:
        assert end_of(client) == ("live_unavailable", SessionEnd.UNAVAILABLE)


def test_a_restart_hands_out_the_text_so_far(settings: Settings, worker: Worker) -> None:
    with serving(settings) as api, api.connect() as client:
        opening = worker.take()
        client.send(SECOND)
        time.sleep(0.1)
        stop = threading.Thread(target=api.stop)
        stop.start()
        assert worker.audio(opening) == (SECOND, FINISHED)
        worker.send(opening, {"type": SEGMENT, "text": "मन"}, DONE_EVENT)
        assert next_of(client)["type"] == "ready"
        assert next_of(client)["text"] == "मन"
        assert end_of(client) == ("service_restarting", SessionEnd.RESTARTING)
        stop.join()


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://["])
def test_a_page_of_another_site_is_refused(api: Api, origin: str) -> None:
    with api.connect(origin=origin) as client:
        assert end_of(client) == ("origin_not_allowed", SessionEnd.FORBIDDEN)


def test_pages_that_may_open_sessions(settings: Settings, worker: Worker) -> None:
    changed = settings.model_copy(update={"cors_origins": ["https://app.example"]})
    with serving(changed) as api:
        for origin in ("https://app.example", f"http://127.0.0.1:{api.port}"):
            with api.connect(origin=origin) as client:
                worker.take()
                assert next_of(client)["type"] == "ready"


def test_a_session_needs_a_key_that_may_submit(
    settings: Settings, database: Database, worker: Worker
) -> None:
    key = make_key(database)
    refused = [
        ({}, "key_missing", SessionEnd.UNAUTHORISED),
        ({"additional_headers": bearer("wrong")}, "key_invalid", SessionEnd.UNAUTHORISED),
        ({"subprotocols": ["shrutlekh", "key.wrong"]}, "key_invalid", SessionEnd.UNAUTHORISED),
        (
            {"additional_headers": bearer(make_key(database, expired=True))},
            "key_invalid",
            SessionEnd.UNAUTHORISED,
        ),
        (
            {"additional_headers": bearer(make_key(database, Scope.READ))},
            "scope_missing",
            SessionEnd.FORBIDDEN,
        ),
    ]
    with serving(settings.model_copy(update={"require_keys": "always"})) as api:
        for options, code, end in refused:
            with api.connect(**options) as client:
                assert end_of(client) == (code, end)
        admitted = [
            {"additional_headers": bearer(key)},
            {"additional_headers": {"X-API-Key": key}},
            {"subprotocols": ["shrutlekh", f"key.{key}"]},
        ]
        for options in admitted:
            with api.connect(**options) as client:
                worker.take()
                assert next_of(client)["type"] == "ready"


def test_the_protocol_is_chosen_and_the_key_is_not_repeated(api: Api, worker: Worker) -> None:
    with api.connect(subprotocols=["shrutlekh", "key.secret"]) as client:
        assert client.subprotocol == "shrutlekh"


@pytest.mark.parametrize("path", ["/speech/v1/stream", "/v1/stream"])
def test_behind_the_path_prefix_of_a_proxy(settings: Settings, worker: Worker, path: str) -> None:
    with (
        serving(settings.model_copy(update={"root_path": "/speech"})) as api,
        api.connect(path=path) as client,
    ):
        worker.take()
        assert next_of(client)["type"] == "ready"


def test_other_paths_are_no_websockets(api: Api) -> None:
    with pytest.raises(InvalidStatus), api.connect(path="/v1/jobs"):
        pass


def test_sessions_of_several_clients_are_kept_apart(api: Api, worker: Worker) -> None:
    with ExitStack() as connections:
        clients = [connections.enter_context(api.connect()) for _ in range(5)]
        exchange(worker, clients)


def exchange(worker: Worker, clients: list[ClientConnection]) -> None:
    openings = [worker.take() for _ in clients]
    by_id = {next_of(client)["id"]: client for client in clients}
    assert by_id.keys() == {opening.session for opening in openings}
    for number, opening in enumerate(openings):
        by_id[opening.session].send(bytes([number]) * 100)
    for number, opening in enumerate(openings):
        by_id[opening.session].send('{"type": "finish"}')
        assert worker.audio(opening)[0] == bytes([number]) * 100
        worker.send(opening, DONE_EVENT | {"text": str(number)})
        assert next_of(by_id[opening.session])["text"] == str(number)
