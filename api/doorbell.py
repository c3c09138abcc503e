"""Notify workers and long polls through Redis in the background, so that no request waits for Redis."""

import time
import uuid
from collections.abc import Callable
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
        self._messages = Batcher[Callable[[], bool], None](
            lambda messages: threads.ring(lambda: self._send(messages))
        )

    def ring(self, model: str, *job_ids: uuid.UUID) -> None:
        """Tell the workers about queued jobs of a model."""
        self._messages.post(lambda: self._queue.ring_for(self._redis, model, job_ids))

    def announce(self, job_id: uuid.UUID) -> None:
        """Tell the long polls of a job that it has changed."""
        self._messages.post(partial(announce, self._redis, job_id))

    async def close(self) -> None:
        """Send the pending messages, for at most :data:`FLUSH_SECONDS`."""
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
