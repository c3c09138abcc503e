"""Claim webhooks from the outbox and send them, several at once and to each receiver a few."""

import asyncio
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from shrutlekh_contract.deliveries import DeliveryStatus

from shared import connection_budget
from shared.announcements import OUTBOX_CHANNEL
from shared.clock import now
from shared.database import Database, open_database
from shared.destinations import Policy
from shared.errors import DatabaseUnavailable, ServiceError
from shared.redis import open_async_redis
from shared.settings import Settings
from shared.webhooks import Claimed, Outcome, claim_due, erase_old, give_back, hosts_due, record, renew_claims
from worker.courier.sending import Sender
from worker.metrics import WEBHOOK_DELIVERIES
from worker.settling import Settler

AT_ONCE = 64
# So many at once to one receiver: a slow one must not hold up the others.
AT_ONCE_PER_HOST = 4
# Renewed while a delivery is in progress. The deliveries of a courier that died are due again after it.
LEASE = timedelta(seconds=10)
RENEW_SECONDS = 3.0
# How long to retry recording a result while the database is away.
RECORD_SECONDS = 60.0
LOOK_SECONDS = 1.0
# Announcements come at the end of each job; look at the outbox no more often than this.
SHORTEST_PAUSE_SECONDS = 0.1
RECONNECT_SECONDS = 0.5
LISTEN_SECONDS = 5.0
# How long deliveries in progress may take when the process stops.
STOP_SECONDS = 5.0
KEPT = timedelta(days=30)
ERASE_SECONDS = 600.0
ERASED_AT_ONCE = 1000

Result = TypeVar("Result")

log = structlog.get_logger(__name__)


class Courier:
    """Delivers webhooks until :meth:`stop`.

    Each delivery is claimed for the length of a lease, which is renewed. A try whose result could not be
    recorded is repeated later, so a webhook may arrive twice; it then has the same ``webhook-id``.
    """

    def __init__(self, database: Database, redis: Redis, sender: Sender) -> None:
        self._database = database
        self._redis = redis
        self._sender = sender
        self._settler = Settler(database)
        self._owner = uuid.uuid4().hex
        self._sending: dict[asyncio.Task[None], Claimed] = {}
        self._look = asyncio.Event()
        self._stopping = False

    def stop(self) -> None:
        """Make :meth:`run` return soon. Call it from the event loop."""
        self._stopping = True
        self._look.set()

    async def run(self) -> None:
        """Deliver webhooks until :meth:`stop`. An outage of the database or Redis only delays them."""
        others = [
            asyncio.create_task(work())
            for work in (self._keep_listening, self._keep_renewing, self._keep_erasing)
        ]
        try:
            while not self._stopping:
                self._look.clear()
                try:
                    await asyncio.to_thread(self._settler.settle_finished)
                    await self._begin_due()
                except ServiceError as error:
                    log.warning("courier_delayed", error=type(error).__name__)
                except Exception:  # nobody awaits this loop, and without it no webhook is delivered
                    log.exception("courier_failed")
                await asyncio.sleep(SHORTEST_PAUSE_SECONDS)
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._look.wait()
        finally:
            for task in others:
                task.cancel()
            await self._finish()

    async def _begin_due(self) -> None:
        """Begin the deliveries that are due, as many as there is room for."""
        sending = Counter(webhook.host for webhook in self._sending.values())
        room = AT_ONCE - sending.total()
        if room <= 0:
            return
        busy = [host for host, count in sending.items() if count >= AT_ONCE_PER_HOST]

        def claim() -> list[Claimed]:
            with self._database.read() as session:
                hosts = hosts_due(session, busy, room)
            if not hosts:
                return []
            rooms = {host: AT_ONCE_PER_HOST - sending[host] for host in hosts[: room // AT_ONCE_PER_HOST + 1]}
            with self._database.write() as session:
                return claim_due(session, self._owner, LEASE, rooms)

        for webhook in await asyncio.to_thread(claim):
            task = asyncio.create_task(self._deliver(webhook))
            self._sending[task] = webhook
            task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._sending.pop(task, None)
        self._look.set()

    async def _deliver(self, webhook: Claimed) -> None:
        outcome = await self._sender.send(webhook)
        status = await self._record(webhook, outcome)
        if status is None:
            return
        result = "failed" if status is DeliveryStatus.PENDING else status.value
        WEBHOOK_DELIVERIES.labels(result).inc()
        log.info("webhook_tried", delivery=str(webhook.id), outcome=result, status=outcome.status)

    async def _record(self, webhook: Claimed, outcome: Outcome) -> DeliveryStatus | None:
        """Record a try. None if that was not possible: the delivery will be tried again."""

        def write() -> DeliveryStatus | None:
            with self._database.write() as session:
                return record(session, webhook.id, self._owner, outcome)

        with suppress(TimeoutError):
            async with asyncio.timeout(RECORD_SECONDS):
                while True:
                    try:
                        return await asyncio.to_thread(write)
                    except DatabaseUnavailable:
                        await asyncio.sleep(LOOK_SECONDS)
        return None

    async def _finish(self) -> None:
        """Let deliveries in progress end for a while, then make the others due for another courier."""
        if not self._sending:
            return
        tasks = dict(self._sending)
        _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
        for task in late:
            task.cancel()

        def write() -> None:
            with self._database.write() as session:
                give_back(session, self._owner, [tasks[task].id for task in late])

        if late:
            with suppress(ServiceError):  # then their leases end
                await asyncio.to_thread(write)

    async def _keep_listening(self) -> None:
        """Look at the outbox whenever there may be a webhook in it."""
        while not self._stopping:
            with suppress(RedisError, OSError):
                async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    await pubsub.subscribe(OUTBOX_CHANNEL)
                    while not self._stopping:
                        if await pubsub.get_message(timeout=LISTEN_SECONDS) is not None:
                            self._look.set()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _keep_renewing(self) -> None:
        """Keep the claims on deliveries in progress."""

        def renew(deliveries: Sequence[uuid.UUID]) -> None:
            with self._database.write() as session:
                renew_claims(session, self._owner, deliveries, LEASE)

        while not self._stopping:
            await asyncio.sleep(RENEW_SECONDS)
            if in_progress := [webhook.id for webhook in self._sending.values()]:
                with suppress(ServiceError):  # then they may be delivered twice
                    await asyncio.to_thread(renew, in_progress)

    async def _keep_erasing(self) -> None:
        """Erase log entries that are older than :data:`KEPT`."""

        def erase() -> int:
            with self._database.write() as session:
                return erase_old(session, now() - KEPT, ERASED_AT_ONCE)

        while not self._stopping:
            with suppress(ServiceError):
                while await asyncio.to_thread(erase) == ERASED_AT_ONCE:
                    pass
            await asyncio.sleep(ERASE_SECONDS)


class CourierThread(threading.Thread):
    """Runs a courier in a thread with an event loop of its own, as part of another process."""

    def __init__(self, settings: Settings, make_sender: Callable[[Policy], Sender] = Sender) -> None:
        super().__init__(name="courier", daemon=True)
        self._settings = settings
        self._make_sender = make_sender
        self._stop_courier: Callable[[], object] = lambda: None
        self._begun = threading.Event()

    def run(self) -> None:
        """Deliver webhooks until :meth:`stop`."""
        asyncio.run(self._deliver())

    def stop(self, seconds: float = 2 * STOP_SECONDS) -> None:
        """Stop, and wait for deliveries in progress, for a while."""
        self._begun.wait(seconds)
        self._stop_courier()
        self.join(seconds)

    async def _deliver(self) -> None:
        database = open_database(self._settings, connection_budget.COURIER)
        redis = open_async_redis(self._settings.redis_url)
        try:
            courier = Courier(database, redis, self._make_sender(Policy(self._settings.webhook_allow)))
            loop = asyncio.get_running_loop()
            self._stop_courier = lambda: loop.call_soon_threadsafe(courier.stop)
            self._begun.set()
            await courier.run()
        finally:
            await redis.aclose()
            database.close()
