"""Quotas of tenants: jobs that wait, and hours of audio in a day (UTC).

Both are counted in the database. How long a recording is becomes known only while it is transcribed, so a
submission is measured against the audio that was transcribed before it: the jobs that are then queued may
still exceed the quota.
"""

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from api.threads import Threads
from shared.clock import now
from shared.database import Database
from shared.errors import QuotaExceeded
from shared.jobs import Usage, usage_of
from shared.keys import NO_TENANT, Limits
from shared.settings import Settings

# How long a count is used before it is counted again.
COUNT_SECONDS = 1.0
# A place in the tenant's queue becomes free with its next job that starts, which may be any time.
WAITING_RETRY_SECONDS = 10


@dataclass(slots=True)
class _Account:
    """A tenant's usage as counted in the database at ``at`` (event loop time), and what came since."""

    usage: Usage | None = None
    at: float = 0.0
    counting: asyncio.Task[Usage] | None = None
    in_progress: int = 0
    added: int = 0


class Quotas:
    """Limits what each tenant uses. A limit of 0 is none; a limit of a key overrides the service's.

    A tenant's usage is queried at most once a second. In between, this process adds its own submissions,
    including uploads in progress. Several processes may together exceed a quota by what the others accepted
    within the last second. Accounts are kept, because there are only as many as tenants.
    """

    def __init__(self, threads: Threads, database: Database, settings: Settings) -> None:
        self._threads = threads
        self._database = database
        self._jobs_waiting = settings.tenant_jobs_waiting
        self._hours = settings.tenant_audio_hours_per_day
        self._accounts: dict[str, _Account] = {}

    async def excess(self, tenant: str, limits: Limits, places: int = 1) -> QuotaExceeded | None:
        """Return the error for a submission of this many jobs, or None if the tenant may submit them.

        Raises:
            DatabaseUnavailable: the tenant's usage is unknown.
        """
        most_waiting = self._jobs_waiting if limits.jobs_waiting is None else limits.jobs_waiting
        hours = self._hours if limits.audio_hours_per_day is None else limits.audio_hours_per_day
        if tenant == NO_TENANT or not (most_waiting or hours):
            return None
        account = self._accounts.setdefault(tenant, _Account())
        usage = await self._usage(tenant, account)
        waiting = usage.waiting + account.added + account.in_progress
        if most_waiting and waiting + places > most_waiting:
            return _exceeded(
                f"You may have {most_waiting:,} jobs waiting, and have {waiting:,}. Submit more when some of "
                "them have started.",
                WAITING_RETRY_SECONDS,
            )
        if hours and usage.audio_seconds >= hours * 3600:
            return _exceeded(
                f"You may have {hours:g} hours of audio transcribed in a day. Submit more after 00:00 UTC.",
                _seconds_left(now()),
            )
        return None

    @contextmanager
    def hold(self, tenant: str, places: int = 1) -> Iterator[None]:
        """Count this many jobs as waiting: during their submission, and afterwards if it succeeds."""
        account = self._accounts.get(tenant)
        if account is None:  # never counted, because nothing limits the tenant
            yield
            return
        account.in_progress += places
        try:
            yield
            account.added += places
        finally:
            account.in_progress -= places

    async def _usage(self, tenant: str, account: _Account) -> Usage:
        if account.usage is None or _time() - account.at >= COUNT_SECONDS:
            if account.counting is None:
                account.counting = asyncio.create_task(self._query(tenant, account), name="usage")
            # Shielded: concurrent submissions share the query, and one cancelled request must not end it.
            return await asyncio.shield(account.counting)
        return account.usage

    async def _query(self, tenant: str, account: _Account) -> Usage:
        at, added_before = _time(), account.added

        def count() -> Usage:
            with self._database.read() as session:
                return usage_of(session, tenant, now())

        try:
            account.usage = await self._threads.read(count)
            account.at = at
            account.added -= added_before  # the count includes them
        finally:
            account.counting = None
        return account.usage


def _exceeded(message: str, seconds: int) -> QuotaExceeded:
    return QuotaExceeded(message, headers={"Retry-After": str(seconds)})


def _seconds_left(moment: datetime) -> int:
    """Return the seconds until the day ends in UTC, at least 1."""
    midnight = datetime.combine(moment.astimezone(UTC).date() + timedelta(days=1), datetime.min.time(), UTC)
    return max(1, math.ceil((midnight - moment).total_seconds()))


def _time() -> float:
    return asyncio.get_running_loop().time()
