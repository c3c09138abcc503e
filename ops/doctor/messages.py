"""Redis: reachability, eviction policy, clock."""

import time
from datetime import UTC, datetime

from redis.exceptions import RedisError
from shrutlekh.quantities import size

from ops.doctor.clocks import compare
from ops.doctor.findings import Area, Check, Finding, ok, problem, warning
from ops.installation import Installation
from shared.redis_address import FORMS

NEARLY = 0.9


def answers(installation: Installation) -> Finding:
    """Reachable?"""
    began = time.perf_counter()
    try:
        installation.redis.ping()
    except ValueError:
        return problem(
            "SHRUTLEKH_REDIS_URL is not a URL of Redis.",
            f"Write {FORMS}.",
        )
    except (RedisError, OSError) as error:
        return problem(
            f"{installation.redis_name} does not answer: {installation.reason(error)}",
            "Start it (`docker compose up --detach redis`), or look at SHRUTLEKH_REDIS_URL. For a `shrutlekh "
            "serve`, say --data with its folder. Jobs are accepted meanwhile, and wait.",
        )
    milliseconds = (time.perf_counter() - began) * 1000
    return ok(f"{installation.redis_name} answers in {milliseconds:.0f} ms.")


def policy(installation: Installation) -> Finding:
    """What does it do when its memory is full?"""
    info = installation.redis.info("memory")  # CONFIG is often forbidden
    name, most, used = info["maxmemory_policy"], int(info["maxmemory"]), int(info["used_memory"])
    if name != "noeviction":
        said = (
            f"Redis's maxmemory-policy is {name}: when its memory is full it forgets messages and heartbeats"
        )
        advice = "Set `maxmemory-policy noeviction` in its configuration."
        return (
            problem(f"{said}.", advice)
            if most
            else warning(f"{said}. Its memory is not limited now.", advice)
        )
    if most and used > NEARLY * most:
        return problem(
            f"Redis uses {size(used)} of its limit of {size(most)}: soon it will refuse messages.",
            "Raise maxmemory, or use `redis-cli --bigkeys` to see what else it holds.",
        )
    return ok(f"Redis evicts nothing (noeviction); it uses {size(used)}.")


def clock(installation: Installation) -> Finding:
    """Does Redis' clock agree with this machine's?"""

    def ask() -> datetime:
        seconds, microseconds = installation.redis.time()
        return datetime.fromtimestamp(seconds + microseconds / 1e6, UTC)

    return compare("Redis", ask)


CHECKS = (
    Check(Area.REDIS, "redis", answers),
    Check(Area.REDIS, "memory policy", policy, needs=("redis",)),
    Check(Area.REDIS, "redis clock", clock, needs=("redis",)),
)
