"""Lingering close: deliver a response to a client that is still sending its request, then disconnect.

If a server closes a connection while the client is sending, the TCP reset makes the client's system discard
the response. So after an early response, the rest of the body is read and dropped for a short while, as nginx
does with ``lingering_close``. Then the connection is closed, however much is still to come.
"""

from anyio import move_on_after
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LINGER_SECONDS = 2.0
LINGER_BYTES = 16 * 1024**2


class LingeringClose:
    """ASGI middleware that drains the rest of a body, within limits, if the response came before its end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application. Drain the rest of the body before completing the response."""
        if scope["type"] == "http" and _has_body(scope):
            await self._app(scope, *_with_drain(scope, receive, send))
        else:
            await self._app(scope, receive, send)


def _with_drain(scope: Scope, receive: Receive, send: Send) -> tuple[Receive, Send]:
    more_to_come = True
    # A client that sends "Expect: 100-continue" withholds its body until the server begins to read.
    is_sending = not _expects_continue(scope)

    async def watched_receive() -> Message:
        nonlocal more_to_come, is_sending
        is_sending = True
        message = await receive()
        more_to_come = message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def draining_send(message: Message) -> None:
        if not more_to_come:
            await send(message)
        elif message["type"] == "http.response.start":
            await send({**message, "headers": [*message["headers"], (b"connection", b"close")]})
        elif message.get("more_body", False) or not is_sending:
            await send(message)
        else:
            await send({**message, "more_body": True})
            await drain()
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def drain() -> None:
        dropped = 0
        with move_on_after(LINGER_SECONDS):
            while more_to_come and dropped < LINGER_BYTES:
                dropped += len((await watched_receive()).get("body", b""))

    return watched_receive, draining_send


def _has_body(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers


def _expects_continue(scope: Scope) -> bool:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    return headers.get(b"expect", b"").lower() == b"100-continue"
