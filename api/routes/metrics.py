"""Prometheus metrics of the API."""

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
            "description": "Metrics in the Prometheus text format.",
            "content": {"text/plain": {"example": 'shrutlekh_jobs{status="queued"} 3.0\n'}},
        }
    },
)
async def get_metrics(services: ServicesDep) -> Response:
    """Expose this process's request metrics and the current state of the queue, the workers and the disk."""
    measured = services.metrics
    try:
        async with asyncio.timeout(REDIS_SECONDS):
            workers = await presence.count(services.async_redis, services.settings.heartbeat_expiry)
        measured.see_redis(workers)
    except (RedisError, OSError):
        measured.miss_redis()
    text = await services.threads.read(lambda: generate_latest(measured.registry))
    return Response(text, media_type=CONTENT_TYPE_LATEST)
