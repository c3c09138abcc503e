"""Prometheus."""

import asyncio

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError

from api.http.dependencies import ServicesDep
from shared import presence

REDIS_SECONDS = 1.0

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus' text format.",
            "content": {"text/plain": {"example": 'shrutlekh_jobs{status="queued"} 3.0\n'}},
        }
    },
)
async def metrics(services: ServicesDep) -> Response:
    """Answer with what this process counts, and with the queue, the workers and the disk as they are."""
    counted = services.metrics
    try:
        async with asyncio.timeout(REDIS_SECONDS):
            workers = await presence.count(services.async_redis, services.settings.heartbeat_expiry)
        counted.see_redis(workers)
    except (RedisError, OSError):
        counted.miss_redis()
    text = await services.threads.read(lambda: generate_latest(counted.registry))
    return Response(text, media_type=CONTENT_TYPE_LATEST)
