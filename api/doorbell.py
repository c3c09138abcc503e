"""Notify workers and long polls through Redis in the background, so that no request waits for Redis."""

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from functools import partial

import structlog
from redis import Redis

from api.intake.batcher import Batcher
from api.threads import Threads
from shared.announcements import announce
from shared.queue import JobQueue

# After a failed message, drop messages for this long instead of waiting for Redis again.
OUTAGE_SECONDS = 1.0
# How long shutdown waits for unsent messages.
FLUSH_SECONDS = 1.0
# How many of many doorbells are sent before other messages get their turn.
RING_AT_ONCE = 16

log = structlog.get_logger(__name__)


class Doorbell:
    """Ring for jobs and announce changes, in the background.

    Messages are dropped while Redis is down or hangs. That is safe: the sweeper rings again for queued jobs,
    and long polls also re-read their job periodically.
    """

    def __init__(self, threads: Threads, queue: JobQueue, redis: Redis) -> None:
        self._queue = queue
        self._redis = redis
        self._away_until = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._messages = Batcher[Callable[[], bool], None](
            lambda messages: threads.ring(lambda: self._send(messages))
        )

    def ring(self, job_id: uuid.UUID) -> None:
        """Tell the workers about a queued job."""
        self._messages.post(partial(self._queue.ring, job_id))

    def ring_all(self, job_ids: Sequence[uuid.UUID]) -> None:
        """Tell the workers about many queued jobs, a few at a time: other messages do not wait for all."""
        task = asyncio.create_task(self._ring_all(job_ids), name="ring-all")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def announce(self, job_id: uuid.UUID) -> None:
        """Tell the long polls of a job that it has changed."""
        self._messages.post(partial(announce, self._redis, job_id))

    async def _ring_all(self, job_ids: Sequence[uuid.UUID]) -> None:
        for start in range(0, len(job_ids), RING_AT_ONCE):
            some = job_ids[start : start + RING_AT_ONCE]
            await asyncio.gather(*(self._messages.post(partial(self._queue.ring, one)) for one in some))

    async def close(self) -> None:
        """Send the pending messages, for at most :data:`FLUSH_SECONDS`."""
        for task in self._tasks:
            task.cancel()  # the sweeper rings for the rest
        await self._messages.settle(FLUSH_SECONDS)

    def _send(self, messages: list[Callable[[], bool]]) -> list[None]:
        for send in messages:
            if time.monotonic() < self._away_until:
                continue
            try:
                is_sent = send()
            except (
                Exception
            ):  # no caller awaits the result, so a bug would go unnoticed without this log line
                log.exception("doorbell_failed")
                is_sent = False
            if not is_sent:
                self._away_until = time.monotonic() + OUTAGE_SECONDS
        return [None] * len(messages)
