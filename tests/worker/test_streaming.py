"""The live worker: sessions through a real Redis, with the model that recordings can be played to."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from redis import Redis

from shared.live import (
    AUDIO,
    BEAT,
    CLAIMED,
    DONE,
    EVENT,
    FAILED,
    FINISHED,
    GONE,
    LAST,
    PARTIAL,
    READY,
    SEGMENT,
    WAITING,
    Opening,
    SessionEnd,
    audio_key,
    events_key,
)
from shared.settings import Settings
from speech import Engine
from tests.conftest import own_redis
from tests.speech.sounds import RATE, Samples, silence, speak, write_model, write_wav
from worker.streaming.loop import LiveWorker
from worker.streaming.mailbox import Mailbox
from worker.streaming.session import Session

PATIENCE = 20.0


@pytest.fixture
def redis(redis_server: str) -> Iterator[Redis]:
    with Redis.from_url(redis_server) as redis:
        redis.flushall()
        yield redis
        redis.flushall()


@pytest.fixture
def settings(redis_server: str, tmp_path: Path) -> Settings:
    write_model(tmp_path / "models" / "loudness")
    return Settings(
        data_dir=tmp_path,
        redis_url=redis_server,
        models_dir=tmp_path / "models",
        default_model="loudness",
        stream_sessions=2,
    )


class Running:
    """A live worker that runs in a thread."""

    def __init__(self, settings: Settings) -> None:
        self.worker = LiveWorker(settings, Mailbox(Redis.from_url(settings.redis_url)))
        self._thread = threading.Thread(target=self.worker.run)
        self._thread.start()

    def stop(self) -> None:
        self.worker.stop()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


@pytest.fixture
def start(settings: Settings) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def make(**changes: object) -> Running:
        started.append(Running(settings.model_copy(update=changes)))
        return started[-1]

    yield make
    for one in started:
        one.stop()


class Speaker:
    """The API's side of a session."""

    def __init__(self, redis: Redis, rate: int = RATE, **changes: Any) -> None:
        self.name = uuid.uuid4().hex
        self._redis = redis
        self._until: Any = "0"
        self.events: list[dict[str, Any]] = []
        fields: dict[str, Any] = {"options": {}, "numerals": "spoken", "opened_at": time.time()}
        self._redis.lpush(WAITING, Opening(self.name, rate, **(fields | changes)).encoded())

    def say(self, samples: Samples) -> None:
        self.send((samples * 32768).clip(-32768, 32767).astype("<i2").tobytes())

    def send(self, pcm: bytes) -> None:
        self._redis.xadd(audio_key(self.name), {AUDIO: pcm})

    def end(self, how: bytes = FINISHED) -> None:
        self._redis.xadd(audio_key(self.name), {LAST: how})

    def wait_for(self, kind: str, count: int = 1) -> dict[str, Any]:
        """Return the last of the first ``count`` events of a type."""
        deadline = time.monotonic() + PATIENCE
        while True:
            found = [event for event in self.events if event["type"] == kind]
            if len(found) >= count:
                return found[count - 1]
            assert time.monotonic() < deadline, (kind, self.events)
            answer: Any = self._redis.xread({events_key(self.name): self._until}, block=200)
            for _, entries in answer:
                self._until = entries[-1][0]
                self.events += [json.loads(fields[EVENT]) for _, fields in entries]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]


def keys(redis: Redis) -> set[bytes]:
    return {key for key in redis.keys("shrutlekh:live:*") if b":audio" in key}


def test_a_session_from_its_opening_to_its_text(
    start: Callable[..., Running], redis: Redis, settings: Settings, tmp_path: Path
) -> None:
    start()
    speaker = Speaker(redis)
    ready = speaker.wait_for(READY)
    assert (ready["model"], ready["language"]) == ("loudness", "hi")
    audio = np.concatenate([silence(0.5), speak("नमस्ते मन "), silence(6.0), speak("तन "), silence(9.0)])
    for block in np.array_split(audio, 60):
        speaker.say(block)
        time.sleep(0.01)
    first = speaker.wait_for(SEGMENT)
    assert [word["text"] for word in first["words"]] == ["नमस्ते", "मन"]
    speaker.end()
    done = speaker.wait_for(DONE)
    assert done["text"] == "नमस्ते मन तन"
    assert done["seconds"] == pytest.approx(len(audio) / RATE)
    assert not done["no_speech"]
    assert [event["type"] for event in speaker.events[:2]] == [CLAIMED, READY]
    assert any(event["text"].startswith("नमस्ते") for event in speaker.of(PARTIAL))

    engine = Engine.load(settings.models_dir / "loudness")
    recorded = list(engine.transcribe(write_wav(tmp_path / "a.wav", audio)).segments())
    assert [(event["text"], event["start"], event["end"]) for event in speaker.of(SEGMENT)] == [
        (one.text, round(one.start, 3), round(one.end, 3)) for one in recorded
    ]
    deadline = time.monotonic() + PATIENCE
    while keys(redis):
        assert time.monotonic() < deadline
    assert 0 < redis.ttl(events_key(speaker.name)) <= 60


def test_several_sessions_take_turns_and_a_full_worker_takes_no_more(
    start: Callable[..., Running], redis: Redis
) -> None:
    start()
    speakers = [Speaker(redis) for _ in range(3)]
    for speaker in speakers[:2]:
        speaker.wait_for(READY)
    for speaker, text in zip(speakers, ("मन ", "तन ", "नम "), strict=True):
        speaker.say(np.concatenate([speak(text), silence(1.0)]))
    assert speakers[0].wait_for(PARTIAL)["text"] == "मन"
    assert speakers[1].wait_for(PARTIAL)["text"] == "तन"
    assert not redis.exists(events_key(speakers[2].name))
    start()  # another worker has room
    assert speakers[2].wait_for(PARTIAL)["text"] == "नम"
    for speaker in speakers:
        speaker.end()
    assert [speaker.wait_for(DONE)["text"] for speaker in speakers] == ["मन", "तन", "नम"]


def test_a_session_without_audio_says_that_it_lives(start: Callable[..., Running], redis: Redis) -> None:
    start()
    speaker = Speaker(redis)
    speaker.say(silence(1.0))
    assert speaker.wait_for(BEAT, 2)["heard"] == 1.0


def test_samples_may_be_split_anywhere(start: Callable[..., Running], redis: Redis) -> None:
    start()
    speaker = Speaker(redis)
    pcm = (speak("नमस्ते") * 32768).astype("<i2").tobytes()
    dice = np.random.default_rng(0)
    begin = 0
    while begin < len(pcm):
        end = begin + int(dice.integers(1, 5000))
        speaker.send(pcm[begin:end])
        begin = end
    speaker.send(b"x")  # half a sample at the end
    speaker.end()
    assert speaker.wait_for(DONE)["text"] == "नमस्ते"


def test_a_client_that_leaves_frees_its_place(start: Callable[..., Running], redis: Redis) -> None:
    start(stream_sessions=1)
    first, second = Speaker(redis), Speaker(redis)
    first.wait_for(READY)
    first.end(GONE)
    second.wait_for(READY)
    assert not first.of(DONE)


def test_a_worker_that_stops_ends_its_sessions_with_the_text_so_far(
    start: Callable[..., Running], redis: Redis
) -> None:
    running = start()
    speaker = Speaker(redis)
    speaker.say(np.concatenate([speak("मन "), silence(1.0)]))
    speaker.wait_for(PARTIAL)
    running.stop()
    failed = speaker.wait_for(FAILED)
    assert SessionEnd[failed["end"]] is SessionEnd.RESTARTING
    assert [event["text"] for event in speaker.of(SEGMENT)] == ["मन"]
    assert not keys(redis)


def test_a_session_that_cannot_be_opened_is_told_why(start: Callable[..., Running], redis: Redis) -> None:
    start()
    speaker = Speaker(redis, options={"hotwords": ["मन"]})  # the toy has no language model
    failed = speaker.wait_for(FAILED)
    assert (failed["end"], failed["code"]) == ("INVALID", "hotwords_unsupported")
    Speaker(redis).wait_for(READY)


def test_a_fault_ends_one_session_only(
    start: Callable[..., Running], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear = Session.hear

    def failing(self: Session, pcm: bytes) -> Any:
        if pcm == b"fault!":
            raise ZeroDivisionError
        return hear(self, pcm)

    monkeypatch.setattr(Session, "hear", failing)
    start()
    broken, whole = Speaker(redis), Speaker(redis)
    broken.wait_for(READY)
    whole.wait_for(READY)
    broken.send(b"fault!")
    assert broken.wait_for(FAILED)["code"] == "internal_error"
    whole.say(speak("मन "))
    whole.end()
    assert whole.wait_for(DONE)["text"] == "मन"


def test_a_session_whose_api_died_is_dropped(
    start: Callable[..., Running], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.streaming.loop.EXPIRY_SECONDS", 0.2)
    start(stream_sessions=1, stream_stall_seconds=0.3)
    Speaker(redis).wait_for(READY)
    Speaker(redis).wait_for(READY)  # the first one's place is free


def test_old_and_unreadable_openings_are_passed_over(start: Callable[..., Running], redis: Redis) -> None:
    Speaker(redis, opened_at=time.time() - 3600.0)
    redis.lpush(WAITING, b"no opening", b'{"of": "another version"}')
    start()
    Speaker(redis).wait_for(READY)


def test_a_worker_outlives_redis(settings: Settings, tmp_path: Path) -> None:
    with own_redis() as (url, process):
        changed = settings.model_copy(update={"redis_url": url})
        running = Running(changed)
        try:
            with Redis.from_url(url) as redis:
                Speaker(redis).wait_for(READY)
                process.kill()
                process.wait()
                time.sleep(0.5)
        finally:
            running.stop()


def test_sessions_are_taken_while_the_model_is_loaded(
    start: Callable[..., Running], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_load = threading.Event()
    load = LiveWorker.warm

    def slowly(self: LiveWorker) -> None:
        assert may_load.wait(PATIENCE)
        load(self)

    monkeypatch.setattr(LiveWorker, "warm", slowly)
    running = start()
    first, second = Speaker(redis), Speaker(redis)
    for speaker in (first, second):
        speaker.wait_for(CLAIMED)
    assert running.worker._opener is None
    may_load.set()
    for speaker in (first, second):
        speaker.wait_for(READY)


def test_a_model_that_cannot_be_loaded(
    start: Callable[..., Running], redis: Redis, settings: Settings
) -> None:
    graph = settings.models_dir / "loudness" / "model.onnx"
    content = graph.read_bytes()
    graph.write_bytes(b"no graph")
    start()
    failed = Speaker(redis).wait_for(FAILED)
    assert (failed["end"], failed["code"]) == ("UNAVAILABLE", "model_invalid")
    graph.write_bytes(content)
    Speaker(redis).wait_for(READY)
