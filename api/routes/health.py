"""Liveness and readiness probes."""

import asyncio
from typing import NamedTuple

from fastapi import APIRouter, Response
from redis.exceptions import RedisError

from api.http import examples
from api.http.dependencies import ServicesDep
from api.http.service_schemas import AliveOut, CheckOut, ChecksOut, ReadyOut, WorkersOut
from api.services import Services
from shared import presence
from shared.database import Database
from shared.draining import is_draining
from shared.errors import DatabaseUnavailable, StorageFull, StorageUnavailable
from shared.schema import NEWEST, revision_of

PROBE_SECONDS = 2.0

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def check_health() -> AliveOut:
    """Answer 200 while the process is alive. Checks no other component."""
    return AliveOut(status="ok")


@router.get(
    "/readyz",
    responses={
        503: {
            "description": "A required component is unavailable.",
            "model": ReadyOut,
            "content": {"application/json": {"example": examples.NOT_READY}},
        }
    },
)
async def check_readiness(services: ServicesDep, response: Response) -> ReadyOut:
    """Answer 200 if a recording submitted now would be transcribed, else 503 with the failed checks."""
    (database, migrations, draining), redis, workers, disk = await asyncio.gather(
        _check_database(services),
        _check_redis(services),
        _check_workers(services),
        _check_disk(services),
    )
    checks = ChecksOut(database=database, migrations=migrations, redis=redis, workers=workers, disk=disk)
    is_ready = all((database.ok, migrations.ok, redis.ok, workers.ok, disk.ok))
    response.status_code = 200 if is_ready else 503
    return ReadyOut(status="ready" if is_ready else "not_ready", checks=checks, draining=draining)


class _DatabaseState(NamedTuple):
    """The checks of the connection to the database and of its schema, and whether the operator drains."""

    database: CheckOut
    migrations: CheckOut
    draining: bool = False  # also while it is not known


async def _check_database(services: Services) -> _DatabaseState:
    try:
        revision, draining = await services.threads.probe(lambda: _look_at(services.database), PROBE_SECONDS)
    except DatabaseUnavailable as error:
        outage = CheckOut(ok=False, detail=error.message)
    except TimeoutError:
        outage = CheckOut(ok=False, detail=f"The database does not answer within {PROBE_SECONDS:.0f} s.")
    else:
        if revision == NEWEST:
            return _DatabaseState(CheckOut(ok=True), CheckOut(ok=True), draining)
        detail = (
            f"The database is at migration {revision or 'none'}, but this version needs {NEWEST}. "
            "Run `python -m migrations`, or start the version that matches the database."
        )
        return _DatabaseState(CheckOut(ok=True), CheckOut(ok=False, detail=detail))
    return _DatabaseState(outage, CheckOut(ok=False, detail="Unknown while the database does not answer."))


def _look_at(database: Database) -> tuple[str | None, bool]:
    """Return the schema's revision, and whether the operator drains."""
    revision = revision_of(database)
    if revision != NEWEST:
        return revision, False
    with database.read() as session:
        return revision, is_draining(session)


async def _check_disk(services: Services) -> CheckOut:
    try:
        await services.threads.probe_files(services.files.check, PROBE_SECONDS)
    except (StorageUnavailable, TimeoutError):
        return CheckOut(ok=False, detail="The storage of the recordings does not answer, or refuses access.")
    except StorageFull:
        return CheckOut(ok=False, detail="The disk is nearly full, so uploads are rejected.")
    except OSError as error:
        return CheckOut(ok=False, detail=f"The recordings' folder is not accessible: {error.strerror}.")
    return CheckOut(ok=True)


async def _check_redis(services: Services) -> CheckOut:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await services.async_redis.ping()
    except (RedisError, OSError) as error:
        return CheckOut(ok=False, detail=f"Redis does not answer ({type(error).__name__}).")
    return CheckOut(ok=True)


async def _check_workers(services: Services) -> WorkersOut:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            found = await presence.count_for(
                services.async_redis, services.settings.default_model, services.settings.heartbeat_expiry
            )
    except (RedisError, OSError):
        return WorkersOut(ok=False, count=0)
    return WorkersOut(ok=found.serving > 0, count=found.workers)
