"""A live worker's side of the sessions in Redis: take openings, read audio, send events."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import structlog
from redis import Redis

from shared.live import (
    AUDIO,
    EVENT,
    EXPIRY_SECONDS,
    LAST,
    WAITING,
    Opening,
    audio_key,
    events_key,
)

ENTRIES_AT_ONCE = 200
"""Most entries of a session's audio that are read at once, so that a flood does not hold up the others."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Arrived:
    """Audio of a session that was read.

    Attributes:
        pcm: samples, as they were sent.
        last: how the audio ended (`shared.live.FINISHED` or `GONE`); None while it goes on.
    """

    pcm: bytes = b""
    last: bytes | None = None


@dataclass(slots=True)
class Mailbox:
    """Redis, as one live worker uses it. All methods raise RedisError or OSError while Redis is away."""

    redis: Redis
    _read_until: dict[str, bytes] = field(default_factory=dict)
    """Id of the last entry that was read of each session's audio."""

    def claim(self, wait_seconds: float) -> Opening | None:
        """Take the oldest opening. None if none comes in time.

        Args:
            wait_seconds: 0 looks once.
        """
        if wait_seconds:
            pair = cast("tuple[bytes, bytes] | None", self.redis.brpop([WAITING], wait_seconds))
            entry = None if pair is None else pair[1]
        else:
            entry = cast("bytes | None", self.redis.rpop(WAITING))
        return None if entry is None else self._opening(entry)

    def arrived(self, sessions: Sequence[str], wait_seconds: float) -> Mapping[str, Arrived]:
        """Read what has come of the audio of these sessions, and delete it from Redis.

        Args:
            wait_seconds: how long to wait if there is nothing; a millisecond at least.
        """
        names = {audio_key(session).encode(): session for session in sessions}
        since: Any = {key: self._read_until.get(session, b"0") for key, session in names.items()}
        found = self.redis.xread(since, count=ENTRIES_AT_ONCE, block=max(round(wait_seconds * 1000), 1))
        arrived: dict[str, Arrived] = {}
        with self.redis.pipeline(transaction=False) as pipeline:
            for key, entries in cast("list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]", found):
                session = names[key]
                pcm = b"".join(fields[AUDIO] for _, fields in entries if AUDIO in fields)
                last = next((fields[LAST] for _, fields in entries if LAST in fields), None)
                arrived[session] = Arrived(pcm, last)
                self._read_until[session] = entries[-1][0]
                pipeline.xdel(key, *(entry for entry, _ in entries))
            pipeline.execute()
        return arrived

    def send(self, session: str, events: Sequence[Mapping[str, Any]]) -> None:
        """Append events to a session's stream."""
        key = events_key(session)
        with self.redis.pipeline(transaction=False) as pipeline:
            for event in events:
                pipeline.xadd(key, {EVENT: json.dumps(event, ensure_ascii=False)})
            pipeline.expire(key, EXPIRY_SECONDS)
            pipeline.execute()

    def forget_all(self) -> None:
        """Forget what was read. What is left in Redis expires."""
        self._read_until.clear()

    def forget(self, session: str) -> None:
        """Delete what is left of a session's audio. Its events stay until they were read, or expire."""
        self._read_until.pop(session, None)
        self.redis.delete(audio_key(session))

    def _opening(self, entry: bytes) -> Opening | None:
        """Parse an opening; None if nobody waits for it any more."""
        try:
            opening = Opening.decoded(entry)
        except (ValueError, TypeError):
            log.warning("live_opening_ignored")
            return None
        seconds, _ = self.redis.time()
        return opening if seconds - opening.opened_at < EXPIRY_SECONDS else None
