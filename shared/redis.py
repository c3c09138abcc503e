"""Connections to Redis, the same for all parts of the service. Each opens at its first use."""

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

TIMEOUT_SECONDS = 2.0
HEALTH_CHECK_SECONDS = 10


def open_redis(url: str) -> Redis:
    """A connection that repeats a command after a broken connection, as the worker wants it."""
    return Redis.from_url(url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS)


def open_redis_without_retries(url: str) -> Redis:
    """A connection whose commands fail at once while Redis is away, for callers that can do without it."""
    return Redis.from_url(
        url,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def open_async_redis(url: str, connections: int = 100) -> AsyncRedis:
    """The asynchronous counterpart of :func:`open_redis_without_retries`.

    Args:
        connections: most at a time. Further commands fail at once.
    """
    return AsyncRedis.from_url(
        url,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        health_check_interval=HEALTH_CHECK_SECONDS,
        retry=AsyncRetry(NoBackoff(), 0),
        max_connections=connections,
    )
