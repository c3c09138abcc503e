"""Wait for changes of jobs and batches without holding a thread: for long polls and event streams.

One task per process subscribes to the channel of job changes, and another one looks, with one query for all
jobs that somebody waits for, which of them have changed. A message only makes it look at that job at once. It
also looks at all of them periodically, more often while Redis is unreachable, so a lost message delays an
answer and never loses it.
"""

import asyncio
import math
import uuid
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Self, TypeVar

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from api.http.watched import Watch, Watched
from api.threads import Threads
from shared.announcements import CHANNEL
from shared.database import Database
from shared.errors import DatabaseUnavailable
from shared.jobs import marks_of_batches, marks_of_jobs

READ_SECONDS = 1.0
READ_SECONDS_WITHOUT_REDIS = 0.25
LISTEN_SECONDS = 5.0
RECONNECT_SECONDS = 0.5
# How often a long poll checks whether its client is still there.
GONE_SECONDS = 5.0

Snapshot = TypeVar("Snapshot")

log = structlog.get_logger(__name__)


class JobWatcher:
    """Tells waiting requests when to read again. An async context manager."""

    def __init__(self, redis: Redis, threads: Threads, database: Database) -> None:
        self._redis = redis
        self._threads = threads
        self._database = database
        self._jobs = Watched(marks_of_jobs)
        self._batches = Watched(marks_of_batches)
        self._hints: set[uuid.UUID] = set()
        self._hinted = asyncio.Event()
        self._listening = False
        self._database_away = False
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(self._keep_listening(), name="job-listener"),
            asyncio.create_task(self._keep_looking(), name="job-watcher"),
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    @property
    def is_stopping(self) -> bool:
        """Whether the process is shutting down, so that nobody may wait any longer."""
        return self._stopping

    @property
    def waiting(self) -> int:
        """Number of requests that wait."""
        return len(set().union(*self._jobs.waiters.values(), *self._batches.waiters.values()))

    def stop(self) -> None:
        """End all waits at once, because the process is shutting down."""
        self._stopping = True
        self._hinted.set()
        self._wake_all()

    def watching_job(self, *job_ids: uuid.UUID) -> AbstractContextManager[Watch]:
        """Watch a job, or several, within a block."""
        return self._jobs.watching(*job_ids)

    def watching_batch(self, batch_id: uuid.UUID) -> AbstractContextManager[Watch]:
        """Watch the jobs of a batch within a block."""
        return self._batches.watching(batch_id)

    async def wait(
        self,
        watching: AbstractContextManager[Watch],
        *,
        read: Callable[[], Awaitable[Snapshot]],
        until: Callable[[Snapshot], bool],
        seconds: float,
        is_gone: Callable[[], Awaitable[bool]],
        read_every: float = math.inf,
        only_end: bool = False,
    ) -> Snapshot:
        """Re-read a job or a batch whenever it has changed, until ``until`` accepts it.

        Also ends when the time is over, the client has disconnected, or the service stops.

        Args:
            watching: :meth:`watching_job` or :meth:`watching_batch`, of what is read.
            read: reads it.
            until: returns whether the snapshot ends the wait.
            seconds: longest wait.
            is_gone: returns whether the client has disconnected.
            read_every: also read after so many seconds, for what changes without the job.
            only_end: whether ``until`` accepts only what has ended. Other changes are then not read.

        Returns:
            The last snapshot.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        # Register before the first read, so that no change is missed in between.
        with watching as watch:
            watch.only_end = only_end
            while True:
                watch.look()
                snapshot = await read()
                again = min(deadline, loop.time() + read_every)
                if until(snapshot) or loop.time() >= deadline or self._stopping:
                    return snapshot
                while not await is_gone():
                    if await watch.wait(min(again - loop.time(), GONE_SECONDS)) or loop.time() >= again:
                        break
                else:
                    return snapshot

    async def _keep_listening(self) -> None:
        # Checks _stopping too, because redis-py can swallow a cancellation while it connects.
        while not self._stopping:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                if self._listening:
                    log.warning("changes_unreachable", error=type(error).__name__)
            self._listening = False
            self._hinted.set()  # without Redis the other task must look more often
            if self._stopping:
                return
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(CHANNEL)
            self._listening = True
            while not self._stopping:
                message = await pubsub.get_message(timeout=LISTEN_SECONDS)
                if message is not None:
                    self._hint(message["data"])

    def _hint(self, data: bytes) -> None:
        with suppress(ValueError):
            job_id = uuid.UUID(data.decode("ascii", "replace"))
            if job_id in self._jobs.waiters:
                self._hints.add(job_id)
                self._hinted.set()

    async def _keep_looking(self) -> None:
        loop = asyncio.get_running_loop()
        looked = -math.inf  # when all were last looked at
        while not self._stopping:
            pause = READ_SECONDS if self._listening else READ_SECONDS_WITHOUT_REDIS
            with suppress(TimeoutError):
                async with asyncio.timeout(looked + pause - loop.time()):
                    await self._hinted.wait()
            self._hinted.clear()
            hints, self._hints = self._hints, set()
            try:
                if loop.time() >= looked + pause:
                    looked = loop.time()
                    await self._look(self._jobs, list(self._jobs.waiters))
                    await self._look(self._batches, list(self._batches.waiters))
                else:
                    await self._look(self._jobs, hints)
            except Exception:  # nobody awaits this task, and without it all would wait for nothing
                log.exception("watch_failed")

    async def _look(self, watched: Watched, ids: Iterable[uuid.UUID]) -> None:
        chosen = list(ids)
        if not chosen:
            return

        try:
            marks = await self._threads.read(lambda: watched.read(self._database, chosen))
        except DatabaseUnavailable:
            if not self._database_away:  # their own reads tell them so
                self._wake_all()
            self._database_away = True
            return
        self._database_away = False
        watched.compare(chosen, marks)

    def _wake_all(self) -> None:
        self._jobs.wake_all()
        self._batches.wake_all()
