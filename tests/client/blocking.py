"""The asynchronous client with the interface of the synchronous one: the same tests hold for both."""

import functools
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import httpx
from anyio.from_thread import BlockingPortal
from shrutlekh import AsyncShrutlekhClient


class Blocking:
    """Runs each method of an :class:`AsyncShrutlekhClient` in the event loop of ``portal``."""

    def __init__(
        self,
        portal: BlockingPortal,
        url: str,
        *,
        transport: httpx.MockTransport | None = None,
        sleep: Callable[[float], None] | None = None,
        **options: Any,
    ) -> None:
        self._portal = portal
        self._client = AsyncShrutlekhClient(
            url, transport=transport, **({} if sleep is None else {"sleep": as_coroutine(sleep)}), **options
        )

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        return lambda *args, **options: self._portal.call(functools.partial(method, *args, **options))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._portal.call(self._client.close)


def as_coroutine(sleep: Callable[[float], None]) -> Callable[[float], Awaitable[None]]:
    async def slept(seconds: float) -> None:
        sleep(seconds)

    return slept
