"""Requests per minute of each API key, counted in Redis for all API processes together.

The algorithm is GCRA, as in many API gateways: a key may send its whole minute's worth at once, and regains
requests evenly. It stores one number per key. A script does it in one round trip, with the clock of Redis.
Other libraries need two round trips to also tell what is left, or store every request.

While Redis is away, nothing is limited: it is better to serve too many requests than none.
"""

import asyncio
import math
from dataclasses import dataclass

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http.authentication import Caller
from shared.errors import RateLimited

WINDOW_SECONDS = 60
PREFIX = "shrutlekh:requests:"
ANSWER_SECONDS = 0.25
# How long Redis is not asked again after it did not answer, so that its outage delays few requests.
PAUSE_SECONDS = 1.0
# KEYS[1] holds the time in microseconds at which the key has regained all of its requests.
# ARGV: requests in a window, the window in microseconds.
TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local window = tonumber(ARGV[2])
local each = window / tonumber(ARGV[1])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local wait = full + each - window - now
if wait > 0 then
  return {0, full - now, math.ceil(wait)}
end
full = math.ceil(full + each)
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
return {math.floor((window - (full - now)) / each), full - now, 0}
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a key stands after a request.

    Attributes:
        limit: requests in a window.
        left: requests that the key may still send at once.
        full_seconds: until it may send ``limit`` at once again.
    """

    limit: int
    left: int
    full_seconds: float

    def headers(self) -> dict[str, str]:
        """Return the response headers of draft-ietf-httpapi-ratelimit-headers."""
        return {
            "RateLimit-Policy": f'"requests";q={self.limit};w={WINDOW_SECONDS}',
            "RateLimit": f'"requests";r={self.left};t={math.ceil(self.full_seconds)}',
        }


class RateLimiter:
    """Counts the requests of keys.

    Args:
        default: requests per minute of keys without a limit of their own; 0 for no limit.
    """

    def __init__(self, redis: Redis, default: int) -> None:
        self._take = redis.register_script(TAKE)
        self._default = default
        self._paused_until = -math.inf

    async def admit(self, connection: HTTPConnection, caller: Caller) -> None:
        """Count a request, and note for :class:`RateLimitHeaders` how its key stands.

        Raises:
            RateLimited: the key has sent too many.
        """
        own = caller.limits.requests_per_minute
        limit = self._default if own is None else own
        if caller.key is None or limit == 0:
            return
        taken = await self._taken(caller.key, limit)
        if taken is None:
            return
        left, full, wait = taken
        connection.state.standing = Standing(limit, left, full / 1e6)
        if wait:
            seconds = math.ceil(wait / 1e6)
            raise RateLimited(
                f"The API key {caller.key} may send {limit:,} requests a minute. Try again in {seconds} s.",
                headers={"Retry-After": str(seconds)},
            )

    async def _taken(self, key: str, limit: int) -> list[int] | None:
        """Return what the script does, or None if Redis does not answer."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._paused_until:
            return None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                taken: list[int] = await self._take(
                    keys=[PREFIX + key], args=[limit, WINDOW_SECONDS * 1_000_000]
                )
                return taken
        except (RedisError, OSError) as error:
            self._paused_until = loop.time() + PAUSE_SECONDS
            log.warning("rate_limit_unchecked", error=type(error).__name__)
            return None


class RateLimitHeaders:
    """ASGI middleware that adds the ``RateLimit`` headers to responses, errors included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, and add the headers if its request was counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})  # where the routes' `connection.state` puts the standing

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start" and "standing" in state:
                MutableHeaders(scope=message).update(state["standing"].headers())
            await send(message)

        await self._app(scope, receive, send_with_headers)
