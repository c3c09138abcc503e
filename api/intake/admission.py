"""Whether there is room in the queue for another job, asked before its recording is read."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from api.threads import Threads
from shared.clock import now
from shared.database import Database
from shared.errors import QueueFull
from shared.jobs import count_finished, holder_of, queue_length

COUNT_SECONDS = 1.0
# What the pace of the service is taken from.
PACE = timedelta(minutes=1)
LONGEST_RETRY_SECONDS = 300


@dataclass(frozen=True, slots=True)
class _Count:
    """What the database said at ``at`` (the event loop's time)."""

    queued: int
    finished_lately: int
    at: float


class Admission:
    """Keeps the queue at ``limit`` jobs (0: without limit).

    The database is asked for the length once a second at most; in between, a process adds what it takes in
    itself, uploads under way included. So one process never passes the limit. Several may, by what the others
    have under way and took in within the last second. Jobs that leave the queue are seen a second late.
    """

    def __init__(self, threads: Threads, database: Database, limit: int) -> None:
        self._threads = threads
        self._database = database
        self._limit = limit
        self._counted: _Count | None = None
        self._counting: asyncio.Task[_Count] | None = None
        self._under_way = 0
        self._added = 0

    @asynccontextmanager
    async def place(self, key: str | None = None) -> AsyncIterator[None]:
        """A place in the queue, held for the time of a submission.

        Args:
            key: an idempotency key; one that has its job already adds none, so it is always let in.

        Raises:
            QueueFull: there is none; ``Retry-After`` says when to expect one at the present pace.
            DatabaseUnavailable: nobody can say.
        """
        if self._limit:
            await self._refuse_if_full(key)
        self._under_way += 1
        try:
            yield
            self._added += 1
        finally:
            self._under_way -= 1

    async def _refuse_if_full(self, key: str | None) -> None:
        count = await self._count()
        excess = count.queued + self._added + self._under_way - self._limit
        if excess < 0 or (key is not None and await self._is_known(key)):
            return
        seconds = _seconds_until_room(excess + 1, count.finished_lately)
        raise QueueFull(
            f"As many jobs wait as this service takes ({self._limit:,}). Try again in {seconds} s.",
            headers={"Retry-After": str(seconds)},
        )

    async def _count(self) -> _Count:
        if self._counted is None or _time() - self._counted.at >= COUNT_SECONDS:
            if self._counting is None:
                self._counting = asyncio.create_task(self._ask(), name="queue-length")
            # Shared by all who come meanwhile, and not ended by one who gives up.
            return await asyncio.shield(self._counting)
        return self._counted

    async def _ask(self) -> _Count:
        at, before = _time(), self._added

        def count() -> _Count:
            with self._database.read() as session:
                return _Count(queue_length(session), count_finished(session, now() - PACE), at)

        try:
            self._counted = await self._threads.read(count)
            self._added -= before  # they are in the count
        finally:
            self._counting = None
        return self._counted

    async def _is_known(self, key: str) -> bool:
        def look() -> bool:
            with self._database.read() as session:
                return holder_of(session, key) is not None

        return await self._threads.read(look)


def _seconds_until_room(places: int, finished_lately: int) -> int:
    """How long it takes until so many places are free, if it goes on as in the last minute."""
    pace = PACE.total_seconds()
    if finished_lately == 0:
        return math.ceil(pace)
    return min(max(math.ceil(places * pace / finished_lately), 1), LONGEST_RETRY_SECONDS)


def _time() -> float:
    return asyncio.get_running_loop().time()
