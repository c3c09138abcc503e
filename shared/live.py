"""Live sessions: what the API and the live workers agree on.

The API puts a session's opening on a list and its audio on a Redis stream; the worker that takes the session
puts events on a second stream. All keys expire, so nothing remains after a crash. Nothing here is durable: a
session ends with its worker.
"""

import json
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, Final, Self

WAITING: Final = "shrutlekh:live:waiting"
"""List of openings that no worker has taken: pushed on the left, taken from the right."""

WORKERS: Final = "shrutlekh:live:workers"
"""Live workers by their last heartbeat, see `shared.presence`."""

EXPIRY_SECONDS: Final = 60
"""After this long without a write, Redis forgets a session's streams and waiting openings."""

BEAT_SECONDS: Final = 1.0
"""Longest pause between two events of a session: without text its worker sends `BEAT`."""

SILENT_SECONDS: Final = 15.0
"""Without any event for this long, a session's worker counts as lost."""

LOWEST_RATE, HIGHEST_RATE = 8_000, 48_000
"""Sample rates of live audio in hertz."""

PCM: Final = "s16le"
"""The only format: signed 16-bit little-endian samples of one channel."""

SAMPLE_BYTES: Final = 2

AUDIO: Final = b"pcm"
"""Field of an entry of the audio stream: samples."""

LAST: Final = b"last"
"""Field of the last entry of the audio stream: `FINISHED`, or `GONE` if the client wants no more text."""

FINISHED, GONE = b"finished", b"gone"

EVENT: Final = b"event"
"""Field of an entry of the event stream: a JSON document with `type`."""

CLAIMED, READY, BEAT = "claimed", "ready", "beat"
PARTIAL, SEGMENT, DONE, FAILED = "partial", "segment", "done", "failed"
"""Types of events. `BEAT` and others carry `heard`: seconds of audio that the worker has processed. `FAILED`
carries `end`, the name of a `SessionEnd`, with `code` and `message`."""


@dataclass(frozen=True, slots=True)
class _End:
    close_code: int
    error: str


class SessionEnd(Enum):
    """How a live session ends: the close code of the WebSocket, and the error code sent before it."""

    DONE = _End(1000, "")
    WORKER_LOST = _End(4011, "worker_lost")
    RESTARTING = _End(4012, "service_restarting")
    INVALID = _End(4400, "invalid_request")
    UNAUTHORISED = _End(4401, "key_invalid")
    FORBIDDEN = _End(4403, "origin_not_allowed")
    STALLED = _End(4408, "session_stalled")
    TOO_LONG = _End(4413, "audio_too_long")
    FLOODED = _End(4429, "session_flooded")
    INTERNAL = _End(4500, "internal_error")
    UNAVAILABLE = _End(4503, "live_unavailable")
    NO_ROOM = _End(4529, "live_busy")

    @property
    def close_code(self) -> int:
        """The WebSocket's close code. Codes from 4000 are this service's own."""
        return self.value.close_code

    @property
    def error(self) -> str:
        """The stable code of the error message; empty for `DONE`."""
        return self.value.error


@dataclass(frozen=True, slots=True)
class Opening:
    """A live session to be taken by a worker.

    Attributes:
        session: its id.
        sample_rate: hertz of its audio.
        options: of the recognition, as `RecognitionOptions.json` gives them.
        numerals: how to write numbers.
        opened_at: Unix time by Redis' clock, set as the session is offered.
    """

    session: str
    sample_rate: int
    options: dict[str, Any]
    numerals: str
    opened_at: float = 0.0

    def encoded(self) -> bytes:
        """Return the entry of the list `WAITING`."""
        return json.dumps(asdict(self), ensure_ascii=False).encode()

    @classmethod
    def decoded(cls, entry: bytes) -> Self:
        """Parse an entry of the list.

        Raises:
            ValueError, TypeError: it is none, for example from another version.
        """
        return cls(**json.loads(entry))


def audio_key(session: str) -> str:
    """Return the key of a session's audio stream."""
    return f"shrutlekh:live:{session}:audio"


def events_key(session: str) -> str:
    """Return the key of a session's event stream."""
    return f"shrutlekh:live:{session}:events"
