"""The API's side of a session in Redis: announce it, send its audio, read its events."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.live import (
    AUDIO,
    EVENT,
    EXPIRY_SECONDS,
    GONE,
    LAST,
    WAITING,
    WORKERS,
    Opening,
    audio_key,
    events_key,
)
from shared.presence import count

BLOCK_SECONDS = 1.0
"""How long to wait for events at a time; less than the connection's timeout."""


class Post:
    """One session's streams. All methods raise RedisError or OSError while Redis is away."""

    def __init__(self, redis: Redis, opening: Opening) -> None:
        self._redis = redis
        self._opening = opening
        self._entry = b""
        self._audio = audio_key(opening.session)
        self._events = events_key(opening.session)
        self._read_until: bytes | str = "0"

    async def workers(self, expiry: float) -> int:
        """Count the live workers with a heartbeat within the last ``expiry`` seconds."""
        return await count(self._redis, expiry, WORKERS)

    async def announce(self) -> None:
        """Offer the session to the workers."""
        seconds, microseconds = await self._redis.time()
        self._entry = replace(self._opening, opened_at=seconds + microseconds / 1e6).encoded()
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.lpush(WAITING, self._entry)
            pipeline.expire(WAITING, EXPIRY_SECONDS)
            await pipeline.execute()

    async def withdraw(self) -> None:
        """Take back the offer, if no worker has taken the session yet."""
        await cast("Any", self._redis.lrem(WAITING, 0, cast("str", self._entry)))

    async def send(self, pcm: bytes, last: bytes | None = None) -> None:
        """Append samples to the session's audio; ``last`` tells how it ends."""
        entry = ({AUDIO: pcm} if pcm else {}) | ({LAST: last} if last else {})
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.xadd(self._audio, cast("Any", entry))
            pipeline.expire(self._audio, EXPIRY_SECONDS)
            await pipeline.execute()

    async def events(self) -> list[dict[str, Any]]:
        """Return the next events, after a while at most; empty if there are none."""
        found = await self._redis.xread({self._events: self._read_until}, block=round(BLOCK_SECONDS * 1000))
        if not found:
            return []
        ((_, entries),) = cast("list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]", found)
        self._read_until = entries[-1][0]
        await self._redis.xtrim(self._events, minid=cast("str", self._read_until), approximate=False)
        return [json.loads(fields[EVENT]) for _, fields in entries]

    async def leave(self, is_complete: bool) -> None:
        """Remove the session from Redis. Does not raise: what is left expires.

        Args:
            is_complete: whether its worker has ended it. If not, the worker is told.
        """
        with suppress(RedisError, OSError):
            if not is_complete:
                await self.withdraw()
                await self.send(b"", GONE)
            await self._redis.delete(self._events)
