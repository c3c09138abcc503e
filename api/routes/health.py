"""Is the process alive, and does what is submitted get done?"""

import asyncio

from fastapi import APIRouter, Response
from redis.exceptions import RedisError

from api import examples
from api.dependencies import ServicesDep
from api.schemas import AliveOut, CheckOut, ChecksOut, ReadyOut, WorkersOut
from api.services import Services
from shared import presence
from shared.errors import DatabaseUnavailable

PROBE_SECONDS = 2.0

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def alive() -> AliveOut:
    """Answer while the process lives. Touches nothing else."""
    return AliveOut(status="ok")


@router.get(
    "/readyz",
    responses={
        503: {
            "description": "Something that is needed is away.",
            "model": ReadyOut,
            "content": {"application/json": {"example": examples.NOT_READY}},
        }
    },
)
async def ready(services: ServicesDep, response: Response) -> ReadyOut:
    """Answer 200 when the database, Redis and at least one warm worker are there."""
    database, redis, workers = await asyncio.gather(
        _check_database(services), _check_redis(services), _check_workers(services)
    )
    is_ready = database.ok and redis.ok and workers.ok
    response.status_code = 200 if is_ready else 503
    return ReadyOut(
        status="ready" if is_ready else "not_ready",
        checks=ChecksOut(database=database, redis=redis, workers=workers),
    )


async def _check_database(services: Services) -> CheckOut:
    try:
        await services.threads.probe(services.database.ping, PROBE_SECONDS)
    except DatabaseUnavailable as error:
        return CheckOut(ok=False, detail=error.message)
    except TimeoutError:
        return CheckOut(ok=False, detail="The database does not answer in time.")
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
            count = await presence.count(services.async_redis, services.settings.heartbeat_expiry)
    except (RedisError, OSError):
        count = 0
    return WorkersOut(ok=count > 0, count=count)
