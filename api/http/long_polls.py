"""Long polls: wait for jobs without holding a thread.

One task per process subscribes to the channel of job changes and wakes the requests that wait for the named
job. Messages are only hints: a waiting request also re-reads its job periodically, more often while Redis is
unreachable.
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

READ_SECONDS = 1.0
READ_SECONDS_WITHOUT_REDIS = 0.25
LISTEN_SECONDS = 5.0
RECONNECT_SECONDS = 0.5

Snapshot = TypeVar("Snapshot")

log = structlog.get_logger(__name__)


class JobWatcher:
    """Tells waiting requests when to re-read their job. An async context manager."""

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

    @property
    def is_stopping(self) -> bool:
        """Whether the process is shutting down, so that waits end at once."""
        return self._stopping

    def stop(self) -> None:
        """End all waits at once, because the process is shutting down."""
        self._stopping = True
        self._wake_all()

    async def wait(
        self,
        job_id: uuid.UUID,
        *,
        read: Callable[[], Awaitable[Snapshot]],
        until: Callable[[Snapshot], bool],
        seconds: float,
        is_gone: Callable[[], Awaitable[bool]],
    ) -> Snapshot:
        """Re-read a job until ``until`` accepts it.

        Also ends when the time is over, the client has disconnected, or the service stops.

        Args:
            job_id: the job; announcements of its changes trigger a read.
            read: reads the job.
            until: returns whether the snapshot ends the wait.
            seconds: longest wait.
            is_gone: returns whether the client has disconnected.

        Returns:
            The last snapshot.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        # Register before the first read, so that no change is missed in between.
        changed = asyncio.Event()
        self._waiters[job_id].add(changed)
        try:
            while True:
                changed.clear()
                snapshot = await read()
                left = deadline - loop.time()
                if until(snapshot) or left <= 0 or self._stopping or await is_gone():
                    return snapshot
                pause = READ_SECONDS if self._listening else READ_SECONDS_WITHOUT_REDIS
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, pause)):
                        await changed.wait()
        finally:
            self._waiters[job_id].discard(changed)
            if not self._waiters[job_id]:
                del self._waiters[job_id]

    async def _keep_listening(self) -> None:
        # Checks _stopping too, because redis-py can swallow a cancellation while it connects.
        while not self._stopping:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                if self._listening:
                    log.warning("changes_unreachable", error=type(error).__name__)
            self._listening = False
            self._wake_all()  # without Redis they must re-read more often
            if self._stopping:
                return
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(CHANNEL)
            self._listening = True
            self._wake_all()  # changes before the subscription may have gone unnoticed
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
