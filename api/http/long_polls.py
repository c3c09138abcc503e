"""Waiting for jobs without holding a thread or blocking the event loop.

One task a process listens to the channel of changes and wakes those who wait for the job that a message
names. Messages are only hints: a waiter also looks by itself now and then, more often while Redis is away.
"""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeVar

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.announcements import CHANNEL

LOOK_SECONDS = 1.0
LOOK_SECONDS_WITHOUT_REDIS = 0.25
LISTEN_SECONDS = 5.0
RECONNECT_SECONDS = 0.5

Seen = TypeVar("Seen")

log = structlog.get_logger(__name__)


class JobWatcher:
    """Tells requests when to look at their job again. An async context manager."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiters: defaultdict[uuid.UUID, set[asyncio.Event]] = defaultdict(set)
        self._listening = False
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep_listening(), name="job-watcher")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def stop(self) -> None:
        """End all waiting at once: the process is about to shut down."""
        self._stopping = True
        self._wake_all()

    async def wait(
        self,
        job_id: uuid.UUID,
        *,
        read: Callable[[], Awaitable[Seen]],
        until: Callable[[Seen], bool],
        seconds: float,
        is_gone: Callable[[], Awaitable[bool]],
    ) -> Seen:
        """Read again and again until ``until`` holds of what was read, and return that.

        Also returns, with what was read last, when time is over, the client is gone, or the service stops.

        Args:
            job_id: the job whose changes are a reason to look.
            read: reads the job.
            until: says whether what was read ends the wait.
            seconds: longest wait.
            is_gone: says whether the client has gone away.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        # Registered before the first look: a change in between is not missed.
        changed = asyncio.Event()
        self._waiters[job_id].add(changed)
        try:
            while True:
                changed.clear()
                seen = await read()
                left = deadline - loop.time()
                if until(seen) or left <= 0 or self._stopping or await is_gone():
                    return seen
                pause = LOOK_SECONDS if self._listening else LOOK_SECONDS_WITHOUT_REDIS
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, pause)):
                        await changed.wait()
        finally:
            self._waiters[job_id].discard(changed)
            if not self._waiters[job_id]:
                del self._waiters[job_id]

    async def _keep_listening(self) -> None:
        # Looks at _stopping as well: a cancellation that comes while redis-py connects may get lost in it.
        while not self._stopping:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                if self._listening:
                    log.warning("changes_unreachable", error=type(error).__name__)
            self._listening = False
            self._wake_all()  # they look more often from now on
            if self._stopping:
                return
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(CHANNEL)
            self._listening = True
            self._wake_all()  # word of a change may have been lost before
            while not self._stopping:
                message = await pubsub.get_message(timeout=LISTEN_SECONDS)
                if message is not None:
                    self._wake(message["data"])

    def _wake(self, data: bytes) -> None:
        with suppress(ValueError):
            for changed in self._waiters.get(uuid.UUID(data.decode("ascii", "replace")), ()):
                changed.set()

    def _wake_all(self) -> None:
        for waiters in self._waiters.values():
            for changed in waiters:
                changed.set()
