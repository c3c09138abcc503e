"""Admission control: reject submissions before their recordings are read.

While the queue is full, or the quota of the tenant is used up.
"""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from api.intake.quotas import Quotas
from api.threads import Threads
from shared.clock import now
from shared.database import Database
from shared.errors import QueueFull
from shared.jobs import batch_with_key, count_finished, holder_of, queue_length
from shared.keys import NO_LIMITS, NO_TENANT, Limits

# How long a counted queue length is used before it is counted again.
COUNT_SECONDS = 1.0
# Jobs that ended within this window give the throughput that Retry-After is computed from.
THROUGHPUT_WINDOW = timedelta(minutes=1)
LONGEST_RETRY_SECONDS = 300


@dataclass(frozen=True, slots=True)
class _Count:
    """Counts from the database at ``at`` (event loop time). ``finished_lately`` is within the window."""

    queued: int
    finished_lately: int
    at: float


class Admission:
    """Limits the queue to ``limit`` jobs (0: unlimited).

    The queue length is queried at most once a second. In between, a process adds its own submissions,
    including uploads in progress. A single process therefore never exceeds the limit. Several processes may,
    by the uploads that the others have in progress or accepted within the last second. Jobs that leave the
    queue are noticed up to a second late.

    Args:
        quotas: also limit what each tenant submits; None: unlimited.
    """

    def __init__(
        self, threads: Threads, database: Database, limit: int, quotas: Quotas | None = None
    ) -> None:
        self._threads = threads
        self._database = database
        self._limit = limit
        self._quotas = quotas
        self._counted: _Count | None = None
        self._counting: asyncio.Task[_Count] | None = None
        self._in_progress = 0
        self._added = 0

    @asynccontextmanager
    async def place(
        self,
        tenant: str = NO_TENANT,
        key: str | None = None,
        *,
        limits: Limits = NO_LIMITS,
        places: int = 1,
    ) -> AsyncIterator[None]:
        """Hold places in the queue during a submission.

        Args:
            tenant: who submits.
            key: the submission's idempotency key. If it already has a job or a batch, the submission adds
                nothing and is always admitted.
            limits: of the API key that submits.
            places: how many jobs are submitted.

        Raises:
            QuotaExceeded: the tenant has as many jobs waiting, or as much audio today, as it may.
            QueueFull: the queue is full. ``Retry-After`` estimates from the throughput when it no longer is.
            DatabaseUnavailable: the queue length is unknown.
        """
        if self._quotas is None:
            async with self._place_in_queue(tenant, key, places):
                yield
            return
        excess = await self._quotas.excess(tenant, limits, places)
        if excess is not None and not (key is not None and await self._is_known(tenant, key)):
            raise excess
        with self._quotas.hold(tenant, places):
            async with self._place_in_queue(tenant, key, places):
                yield

    @asynccontextmanager
    async def _place_in_queue(self, tenant: str, key: str | None, places: int) -> AsyncIterator[None]:
        if self._limit:
            await self._refuse_if_full(tenant, key, places)
        self._in_progress += places
        try:
            yield
            self._added += places
        finally:
            self._in_progress -= places

    async def _refuse_if_full(self, tenant: str, key: str | None, places: int) -> None:
        count = await self._count()
        excess = count.queued + self._added + self._in_progress + places - self._limit
        if excess <= 0 or (key is not None and await self._is_known(tenant, key)):
            return
        seconds = _seconds_until_room(excess, count.finished_lately)
        raise QueueFull(
            f"The queue is full ({self._limit:,} jobs). Try again in {seconds} s.",
            headers={"Retry-After": str(seconds)},
        )

    async def _count(self) -> _Count:
        if self._counted is None or _time() - self._counted.at >= COUNT_SECONDS:
            if self._counting is None:
                self._counting = asyncio.create_task(self._query(), name="queue-length")
            # Shielded: concurrent submissions share the query, and one cancelled request must not end it.
            return await asyncio.shield(self._counting)
        return self._counted

    async def _query(self) -> _Count:
        at, added_before = _time(), self._added

        def count() -> _Count:
            with self._database.read() as session:
                return _Count(queue_length(session), count_finished(session, now() - THROUGHPUT_WINDOW), at)

        try:
            self._counted = await self._threads.read(count)
            self._added -= added_before  # the count includes them
        finally:
            self._counting = None
        return self._counted

    async def _is_known(self, tenant: str, key: str) -> bool:
        def is_known() -> bool:
            with self._database.read() as session:
                return (holder_of(session, tenant, key) or batch_with_key(session, tenant, key)) is not None

        return await self._threads.read(is_known)


def _seconds_until_room(places: int, finished_lately: int) -> int:
    """Estimate from the recent throughput how long it takes until ``places`` jobs have left the queue."""
    window = THROUGHPUT_WINDOW.total_seconds()
    if finished_lately == 0:
        return math.ceil(window)
    return min(max(math.ceil(places * window / finished_lately), 1), LONGEST_RETRY_SECONDS)


def _time() -> float:
    return asyncio.get_running_loop().time()
