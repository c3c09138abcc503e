"""The objects that routes use: opened at the application's startup, closed at its shutdown."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from redis.asyncio import Redis as AsyncRedis

from api.counts import Counts
from api.doorbell import Doorbell
from api.http.authentication import KeyRing
from api.http.instrumentation import Metrics
from api.http.long_polls import JobWatcher
from api.http.rate_limits import RateLimiter
from api.intake.admission import Admission
from api.intake.batcher import Batcher
from api.intake.insertion import Placed, insert
from api.intake.quotas import Quotas
from api.live.sessions import LiveSessions
from api.threads import Threads
from api.tickets import Tickets
from shared.database import Database, open_database
from shared.destinations import Policy
from shared.files import FileStore, open_store
from shared.jobs import Job
from shared.queue import JobQueue, make_celery
from shared.redis import open_async_redis, open_redis_without_retries
from shared.settings import Settings
from shared.traces import configure_traces, stop_traces

LIVE_CONNECTIONS = 1000
"""Connections to Redis for live sessions, of which each needs one to wait on. They have their own pool, so
that many sessions do not take the connections of other requests."""


@dataclass(frozen=True, slots=True)
class Services:
    """Connections, thread pools and background tasks of a running front end."""

    settings: Settings
    threads: Threads
    database: Database
    files: FileStore
    async_redis: AsyncRedis
    watcher: JobWatcher
    live: LiveSessions
    live_redis: AsyncRedis
    admission: Admission
    inserts: Batcher[Job, Placed]
    doorbell: Doorbell
    metrics: Metrics
    keys: KeyRing
    rate_limiter: RateLimiter
    tickets: Tickets
    counts: Counts
    webhook_policy: Policy


@asynccontextmanager
async def open_services(settings: Settings, metrics: Metrics) -> AsyncIterator[Services]:
    """Open the services and close them at the end of the block. Redis and Postgres need not be up yet."""
    configure_traces("shrutlekh-api", settings.otlp_endpoint)
    threads = Threads(single_writer=settings.database.startswith("sqlite"))
    database = open_database(settings, threads.connections)
    queue = JobQueue(make_celery(settings))
    redis = open_redis_without_retries(settings.redis_url)
    async_redis = open_async_redis(settings.redis_url)
    live_redis = open_async_redis(settings.redis_url, LIVE_CONNECTIONS)
    doorbell = Doorbell(threads, queue, redis)
    files = open_store(settings, reserve_bytes=settings.disk_reserve_bytes)
    metrics.watch(settings, database)
    try:
        async with JobWatcher(async_redis, threads, database) as watcher:
            yield Services(
                settings=settings,
                threads=threads,
                database=database,
                files=files,
                async_redis=async_redis,
                watcher=watcher,
                live=LiveSessions(),
                live_redis=live_redis,
                admission=Admission(
                    threads, database, settings.queue_limit, Quotas(threads, database, settings)
                ),
                inserts=Batcher(lambda jobs: threads.write(lambda: insert(database, jobs))),
                doorbell=doorbell,
                metrics=metrics,
                keys=KeyRing(threads, database, settings),
                rate_limiter=RateLimiter(async_redis, settings.rate_limit_per_minute),
                tickets=Tickets(async_redis),
                counts=Counts(),
                webhook_policy=Policy(settings.webhook_allow),
            )
    finally:
        stop_traces()
        await doorbell.close()
        await async_redis.aclose()
        await live_redis.aclose()
        redis.close()
        queue.close()
        files.close()
        database.close()
