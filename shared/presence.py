"""Worker presence: Redis sorted sets of workers, scored by the Unix time of their last heartbeat.

There is one set for each role: by default that of the workers that take jobs.
"""

import time
from typing import cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

WORKERS = "shrutlekh:workers"


def beat(redis: Redis, worker: str, expiry: float, role: str = WORKERS) -> int:
    """Record a heartbeat of ``worker``, and remove workers silent for more than ``expiry`` seconds.

    Returns:
        The number of workers, with this one.
    """
    moment = time.time()
    with redis.pipeline() as pipeline:
        pipeline.zadd(role, {worker: moment})
        pipeline.zremrangebyscore(role, "-inf", moment - expiry)
        pipeline.zcard(role)
        return int(pipeline.execute()[-1])


def leave(redis: Redis, worker: str, role: str = WORKERS) -> None:
    """Remove ``worker``, which is stopping."""
    redis.zrem(role, worker)


async def count(redis: AsyncRedis, expiry: float, role: str = WORKERS) -> int:
    """Count the workers with a heartbeat within the last ``expiry`` seconds."""
    return int(await redis.zcount(role, time.time() - expiry, "+inf"))


def present(redis: Redis, expiry: float) -> list[str]:
    """List the workers with a heartbeat within the last ``expiry`` seconds."""
    names = cast(list[bytes], redis.zrangebyscore(WORKERS, time.time() - expiry, "+inf"))
    return [name.decode() for name in names]
