"""Connections to Redis, the same for all parts of the service. Each opens at its first use."""

from typing import Any, cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from shared.redis_address import sentinels_of

TIMEOUT_SECONDS = 2.0
HEALTH_CHECK_SECONDS = 10
_TIMEOUTS = {"socket_timeout": TIMEOUT_SECONDS, "socket_connect_timeout": TIMEOUT_SECONDS}


def open_redis(url: str) -> Redis:
    """A connection that repeats a command after a broken connection, as the worker wants it."""
    return _open(url)


def open_redis_without_retries(url: str) -> Redis:
    """A connection whose commands fail at once while Redis is away, for callers that can do without it."""
    return _open(url, retry=Retry(NoBackoff(), 0))


def open_async_redis(url: str, connections: int = 100) -> AsyncRedis:
    """The asynchronous counterpart of :func:`open_redis_without_retries`.

    Args:
        connections: most at a time. Further commands fail at once.
    """
    options: dict[str, Any] = {
        **_TIMEOUTS,
        "health_check_interval": HEALTH_CHECK_SECONDS,
        "retry": AsyncRetry(NoBackoff(), 0),
        "max_connections": connections,
    }
    behind = sentinels_of(url)
    if behind is None:
        return AsyncRedis.from_url(url, **options)
    watchers: Any = AsyncSentinel(  # type: ignore[no-untyped-call]
        list(behind.hosts), sentinel_kwargs={**_TIMEOUTS, **behind.own}
    )
    return cast(AsyncRedis, watchers.master_for(behind.master, **options, **behind.server))


def _open(url: str, **options: Any) -> Redis:
    behind = sentinels_of(url)
    if behind is None:
        return Redis.from_url(url, **_TIMEOUTS, **options)
    watchers: Any = Sentinel(  # type: ignore[no-untyped-call]
        list(behind.hosts), sentinel_kwargs={**_TIMEOUTS, **behind.own}
    )
    return cast(Redis, watchers.master_for(behind.master, **_TIMEOUTS, **options, **behind.server))
