"""Polls: answered at once, or as long polls when there is news; with 304 while nothing has changed."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from api.http.caching import is_known
from api.http.watched import Watch
from api.services import Services


class Polled(NamedTuple):
    """What a poll has read: the body of the answer as JSON, its ETag, and whether it has ended."""

    body: bytes
    etag: str
    has_ended: bool


async def answer_poll(
    request: Request,
    services: Services,
    watching: AbstractContextManager[Watch],
    read: Callable[[], Polled],
    *,
    wait: float,
    read_every: float,
) -> Response:
    """Answer a poll when what it reads has ended, or has changed if the request has If-None-Match.

    Args:
        watching: watches what is read, see :class:`api.http.long_polls.JobWatcher`.
        read: reads it, in a thread.
        wait: seconds that the client wants to wait; 0 for not at all.
        read_every: seconds after which a client that asks for changes gets those that wake nobody.
    """
    asks_for_change = "if-none-match" in request.headers

    async def read_in_thread() -> Polled:
        return await services.threads.read(read)

    def is_enough(seen: Polled) -> bool:
        return seen.has_ended or (asks_for_change and not is_known(request, seen.etag))

    seconds = min(wait, services.settings.max_wait_seconds)
    if seconds > 0:
        seen = await services.watcher.wait(
            watching,
            read=read_in_thread,
            until=is_enough,
            seconds=seconds,
            is_gone=request.is_disconnected,
            read_every=read_every if asks_for_change else math.inf,
            only_end=not asks_for_change,
        )
    else:
        seen = await read_in_thread()
    headers = {"ETag": seen.etag, "Cache-Control": "private, no-cache"}
    if is_known(request, seen.etag):
        return Response(status_code=304, headers=headers)
    return Response(seen.body, 200, headers, "application/json")
