"""What the routes work with: opened when the application starts, closed when it stops."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from api.batching import Batcher
from api.threads import Threads
from api.waiting import JobWatcher
from shared.database import Database
from shared.files import FileStore
from shared.jobs import queue_position
from shared.lifecycle import submit
from shared.queue import JobQueue, make_celery
from shared.settings import Settings
from shared.tables import Job

REDIS_SECONDS = 2.0
HEALTH_CHECK_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of a running front end."""

    settings: Settings
    threads: Threads
    database: Database
    files: FileStore
    queue: JobQueue
    redis: Redis
    async_redis: AsyncRedis
    watcher: JobWatcher
    inserts: Batcher[Job, int]
    rings: Batcher[uuid.UUID, bool]


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Open the parts. Neither Redis nor Postgres need be there yet."""
    threads = Threads(single_writer=settings.database.startswith("sqlite"))
    database = Database(settings.database, pool_size=threads.connections)
    queue = JobQueue(make_celery(settings))
    redis = _redis(settings.redis_url)
    async_redis = _async_redis(settings.redis_url)
    try:
        async with JobWatcher(async_redis) as watcher:
            yield Services(
                settings=settings,
                threads=threads,
                database=database,
                files=FileStore(settings.files_dir),
                queue=queue,
                redis=redis,
                async_redis=async_redis,
                watcher=watcher,
                inserts=Batcher(lambda jobs: threads.write(lambda: _insert(database, jobs))),
                rings=Batcher(lambda job_ids: threads.ring(lambda: _ring(queue, job_ids))),
            )
    finally:
        await async_redis.aclose()
        redis.close()
        queue.close()
        database.close()


# No retries: a Redis that is away is known at once, and everything can do without it for a while.
def _redis(url: str) -> Redis:
    return Redis.from_url(
        url,
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def _async_redis(url: str) -> AsyncRedis:
    return AsyncRedis.from_url(
        url,
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
        health_check_interval=HEALTH_CHECK_SECONDS,
        retry=AsyncRetry(NoBackoff(), 0),
    )


def _insert(database: Database, jobs: list[Job]) -> list[int]:
    """Queue jobs in one transaction; for each, how many come before it."""
    in_order = sorted(jobs, key=lambda job: job.id)
    with database.write() as session:
        submit(session, *in_order)
        before = queue_position(session, in_order[0]) or 0
    position = {job.id: before + index for index, job in enumerate(in_order)}
    return [position[job.id] for job in jobs]


def _ring(queue: JobQueue, job_ids: list[uuid.UUID]) -> list[bool]:
    """Ring for jobs until Redis is found away: the sweeper rings for the rest."""
    heard: list[bool] = []
    for job_id in job_ids:
        heard.append(all(heard) and queue.ring(job_id))
    return heard
