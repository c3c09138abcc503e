"""Worker presence: Redis sorted sets of workers, scored by the Unix time of their last heartbeat.

The time is that of Redis' clock: those of the machines may differ. There is one set for each role: by default
that of the workers that take jobs. Those that take jobs of certain models only are in PINNED too, and in the
set of each of these models.
"""

from collections.abc import Awaitable, Sequence
from typing import NamedTuple, cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

WORKERS = "shrutlekh:workers"
PINNED = f"{WORKERS}:pinned"

# Scripts, because only a script can use Redis' time in the same step.
_TIME = """
local time = redis.call('TIME')
local function ago(seconds) return string.format('%.6f', time[1] + time[2] / 1000000 - seconds) end
"""
# KEYS: roles, the worker's own last. ARGV: the worker, and the seconds after which a silent one is removed.
_BEAT = (
    _TIME
    + """
for _, role in ipairs(KEYS) do
    redis.call('ZADD', role, ago(0), ARGV[1])
    redis.call('ZREMRANGEBYSCORE', role, '-inf', ago(ARGV[2]))
end
return redis.call('ZCARD', KEYS[#KEYS])
"""
)
# KEYS: roles. ARGV: seconds. Returns how many workers of each had a heartbeat within them.
_COUNT = (
    _TIME
    + """
local counts = {}
for index, role in ipairs(KEYS) do counts[index] = redis.call('ZCOUNT', role, ago(ARGV[1]), '+inf') end
return counts
"""
)
# KEYS: a role. Returns its workers, each followed by the seconds since its last heartbeat.
_AGES = (
    _TIME
    + """
local found = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for index = 2, #found, 2 do found[index] = string.format('%.6f', ago(0) - found[index]) end
return found
"""
)


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
    roles = [*_pins(models), role]
    return int(cast(int, redis.eval(_BEAT, len(roles), *roles, worker, str(expiry))))


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
    (workers,) = await cast(Awaitable[list[int]], redis.eval(_COUNT, 1, role, str(expiry)))
    return workers


def ages(redis: Redis, role: str = WORKERS) -> dict[str, float]:
    """Return the seconds since the last heartbeat of each worker in Redis, including dead ones."""
    found = cast(list[bytes], redis.eval(_AGES, 1, role))
    return {name.decode(): float(age) for name, age in zip(found[::2], found[1::2], strict=True)}


def present(redis: Redis, expiry: float) -> list[str]:
    """List the workers with a heartbeat within the last ``expiry`` seconds."""
    return [name for name, age in ages(redis).items() if age <= expiry]


def present_for(redis: Redis, model: str, expiry: float) -> Present:
    """Count the workers with a heartbeat within the last ``expiry`` seconds."""
    return _told(cast(list[int], redis.eval(_COUNT, 3, *_roles(model), str(expiry))))


async def count_for(redis: AsyncRedis, model: str, expiry: float) -> Present:
    """Count as :func:`present_for`."""
    return _told(await cast(Awaitable[list[int]], redis.eval(_COUNT, 3, *_roles(model), str(expiry))))


def _roles(model: str) -> list[str]:
    return [WORKERS, PINNED, pinned_to(model)]


def _told(counts: Sequence[int]) -> Present:
    workers, pinned, to_model = counts
    return Present(workers, max(workers - pinned, 0) + to_model)
