"""The workers: their heartbeats, and whether they are draining."""

from redis.exceptions import RedisError
from shrutlekh.quantities import counted, span_in_words

from ops.doctor.findings import Area, Check, Finding, ok, problem, processes, warning
from ops.doctor.machine import processes_here
from ops.installation import Installation
from shared import presence
from shared.clock import now
from shared.draining import draining_since

MISSED_BEATS = 3


def process_count(installation: Installation) -> int:
    """Count the worker processes: those with a heartbeat, or those of this machine's settings if more."""
    wanted = processes_here(installation)
    try:
        beating = len(presence.present(installation.redis, installation.settings.heartbeat_expiry))
    except (RedisError, OSError, ValueError):
        return wanted
    return max(wanted, beating)


def present(installation: Installation) -> Finding:
    """Is a worker alive?"""
    settings = installation.settings
    ages = presence.ages(installation.redis)
    beating = {name: age for name, age in ages.items() if age <= settings.heartbeat_expiry}
    if not beating:
        last = f" The last heartbeat was {span_in_words(min(ages.values()))} ago." if ages else ""
        return problem(
            f"No worker has a heartbeat: nothing is transcribed.{last}",
            "Start one: `python -m worker`, `docker compose up --detach worker`. Its heartbeat starts when "
            "its model is warm. If one runs, its log says why it is not warm, or which other Redis it uses.",
        )
    machines = len({name.rsplit(":", 2)[0] for name in beating})
    late = max(0.0, *beating.values())
    where = f"{processes(len(beating))} on {counted(machines, 'machine')}"
    said = f"{where}; the oldest heartbeat is {late:.1f} s old"
    if late > MISSED_BEATS * settings.heartbeat_seconds:
        return warning(
            f"{said}, though one is due every {settings.heartbeat_seconds:g} s.",
            "That machine is overloaded, frozen or cut off from Redis; or a worker has just been killed.",
        )
    return ok(f"{said}.")


def draining(installation: Installation) -> Finding:
    """Were workers told to take no jobs?"""
    with installation.database.read() as session:
        since = draining_since(session)
    if since is None:
        return ok("Workers take jobs.")
    return warning(
        f"All workers were told {span_in_words((now() - since).total_seconds())} ago to take no more jobs.",
        "Let them go on with `shrutlekh admin drain --off`.",
    )


CHECKS = (
    Check(Area.WORKERS, "workers", present, needs=("redis",)),
    Check(Area.WORKERS, "draining", draining, needs=("schema",)),
)
