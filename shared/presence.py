"""Which workers are there: each beats into a Redis sorted set, scored by the time of its last beat."""

import time
from typing import cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

WORKERS = "shrutlekh:workers"


def beat(redis: Redis, worker: str, expiry: float) -> None:
    """Say that ``worker`` is alive and warm; forget those silent for more than ``expiry`` seconds."""
    moment = time.time()
    with redis.pipeline() as pipeline:
        pipeline.zadd(WORKERS, {worker: moment})
        pipeline.zremrangebyscore(WORKERS, "-inf", moment - expiry)
        pipeline.execute()


def leave(redis: Redis, worker: str) -> None:
    """Say that ``worker`` stops."""
    redis.zrem(WORKERS, worker)


async def count(redis: AsyncRedis, expiry: float) -> int:
    """Number of workers that have beaten within the last ``expiry`` seconds."""
    return int(await redis.zcount(WORKERS, time.time() - expiry, "+inf"))


def present(redis: Redis, expiry: float) -> list[str]:
    """The workers that have beaten within the last ``expiry`` seconds."""
    names = cast(list[bytes], redis.zrangebyscore(WORKERS, time.time() - expiry, "+inf"))
    return [name.decode() for name in names]
