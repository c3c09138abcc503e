"""Requests that a proxy forwards: the client's address and scheme, and the proxy's path prefix."""

from collections.abc import Sequence

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from shared.settings import path_prefix

PREFIX_HEADER = b"x-forwarded-prefix"

log = structlog.get_logger(__name__)


class BehindProxies:
    """ASGI middleware that applies the forwarded headers of trusted proxies, and only of those.

    ``X-Forwarded-For`` and ``-Proto`` become the client's address and the scheme. ``X-Forwarded-Prefix``, or
    without it ``root_path``, becomes ASGI's ``root_path``.

    Args:
        trusted: addresses and networks of the proxies.
        root_path: path prefix of proxies that do not send the header.
    """

    def __init__(self, app: ASGIApp, trusted: Sequence[str], root_path: str) -> None:
        self._root_path = root_path
        self._forwarded = ProxyHeadersMiddleware(app, list(trusted))  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application with a scope as if the client had connected directly."""
        if scope["type"] != "lifespan":
            peer, _ = scope.get("client") or (None, None)
            prefix = _forwarded_prefix(scope) if peer in self._forwarded.trusted_hosts else None
            scope = _below(self._root_path if prefix is None else prefix, scope)
        await self._forwarded(scope, receive, send)  # type: ignore[arg-type]


def _forwarded_prefix(scope: Scope) -> str | None:
    """Return the prefix in the request's header; None if it is absent, repeated or not a plain path."""
    values = [value for name, value in scope["headers"] if name == PREFIX_HEADER]
    if not values:
        return None
    try:
        (value,) = values
        return path_prefix(value.decode("ascii"))
    except ValueError:
        log.warning("forwarded_prefix_ignored", headers=len(values))
        return None


def _below(prefix: str, scope: Scope) -> Scope:
    """Return a copy of the scope below a prefix. ASGI's path includes it, even if the proxy stripped it."""
    if not prefix or f"{scope['path']}/".startswith(f"{prefix}/"):
        return {**scope, "root_path": prefix}
    raw = scope.get("raw_path")
    return {
        **scope,
        "root_path": prefix,
        "path": prefix + scope["path"],
        "raw_path": raw if raw is None else prefix.encode() + raw,
    }
