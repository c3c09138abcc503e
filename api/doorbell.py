"""Telling workers and waiting requests what happened, without anybody waiting for Redis."""

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

# How long a Redis that was found away is left alone.
OUTAGE_SECONDS = 1.0
# How long a stop waits for what was not told yet.
LAST_WORDS_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Doorbell:
    """Rings for jobs and announces changes, in the background.

    What Redis does not hear while it is away, or hangs, is not told again: the sweeper rings for jobs that
    wait, and waiting requests look by themselves.
    """

    def __init__(self, threads: Threads, queue: JobQueue, redis: Redis) -> None:
        self._queue = queue
        self._redis = redis
        self._away_until = 0.0
        self._messages = Batcher[Callable[[], bool], None](
            lambda messages: threads.ring(lambda: self._tell(messages))
        )

    def ring(self, job_id: uuid.UUID) -> None:
        """Tell the workers of a job."""
        self._messages.post(partial(self._queue.ring, job_id))

    def announce(self, job_id: uuid.UUID) -> None:
        """Tell those who wait for a job that it has changed."""
        self._messages.post(partial(announce, self._redis, job_id))

    async def close(self) -> None:
        """Tell what was not told yet, if Redis hears it."""
        await self._messages.settle(LAST_WORDS_SECONDS)

    def _tell(self, messages: list[Callable[[], bool]]) -> list[None]:
        for message in messages:
            if time.monotonic() < self._away_until:
                continue
            try:
                is_heard = message()
            except Exception:  # the answer does not depend on it: nobody else would hear of a bug
                log.exception("doorbell_failed")
                is_heard = False
            if not is_heard:
                self._away_until = time.monotonic() + OUTAGE_SECONDS
        return [None] * len(messages)
