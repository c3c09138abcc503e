"""Worker presence: Redis sorted sets of workers, scored by the Unix time of their last heartbeat.

There is one set for each role: by default that of the workers that take jobs. Those that take jobs of certain
models only are in PINNED too, and in the set of each of these models.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple, cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.client import Pipeline as AsyncPipeline
from redis.client import Pipeline

WORKERS = "shrutlekh:workers"
PINNED = f"{WORKERS}:pinned"


class Present(NamedTuple):
    """How many workers take jobs, and how many of them take those of a model."""

    workers: int
    serving: int


def pinned_to(model: str) -> str:
    """Return the role of the workers that are pinned to a model, and perhaps to others too."""
    return f"{WORKERS}:of:{model}"


def beat(redis: Redis, worker: str, expiry: float, role: str = WORKERS, models: Sequence[str] = ()) -> int:
    """Record a heartbeat of ``worker``, and remove workers silent for more than ``expiry`` seconds.

    Args:
        role: what the worker does.
        models: those that it is pinned to; empty for any.

    Returns:
        The number of workers of the role, with this one.
    """
    moment = time.time()
    with redis.pipeline() as pipeline:
        for key in (*_pins(models), role):
            pipeline.zadd(key, {worker: moment})
            pipeline.zremrangebyscore(key, "-inf", moment - expiry)
        pipeline.zcard(role)
        return int(pipeline.execute()[-1])


def leave(redis: Redis, worker: str, role: str = WORKERS, models: Sequence[str] = ()) -> None:
    """Remove ``worker``, which is stopping."""
    with redis.pipeline() as pipeline:
        for key in (*_pins(models), role):
            pipeline.zrem(key, worker)
        pipeline.execute()


def _pins(models: Sequence[str]) -> list[str]:
    return [PINNED, *map(pinned_to, models)] if models else []


async def count(redis: AsyncRedis, expiry: float, role: str = WORKERS) -> int:
    """Count the workers with a heartbeat within the last ``expiry`` seconds."""
    return int(await redis.zcount(role, time.time() - expiry, "+inf"))


def present(redis: Redis, expiry: float) -> list[str]:
    """List the workers with a heartbeat within the last ``expiry`` seconds."""
    names = cast(list[bytes], redis.zrangebyscore(WORKERS, time.time() - expiry, "+inf"))
    return [name.decode() for name in names]


def present_for(redis: Redis, model: str, expiry: float) -> Present:
    """Count the workers with a heartbeat within the last ``expiry`` seconds."""
    with redis.pipeline(transaction=False) as pipeline:
        _ask(pipeline, model, expiry)
        return _told(pipeline.execute())


async def count_for(redis: AsyncRedis, model: str, expiry: float) -> Present:
    """Count as :func:`present_for`."""
    async with redis.pipeline(transaction=False) as pipeline:
        _ask(pipeline, model, expiry)
        return _told(await pipeline.execute())


def _ask(pipeline: Pipeline | AsyncPipeline, model: str, expiry: float) -> None:
    since = time.time() - expiry
    for key in (WORKERS, PINNED, pinned_to(model)):
        pipeline.zcount(key, since, "+inf")


def _told(counts: Sequence[int]) -> Present:
    workers, pinned, to_model = map(int, counts)
    return Present(workers, max(workers - pinned, 0) + to_model)
