"""HEAD requests: answered as GET without the body (RFC 9110, section 9.3.2)."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_IS_HEAD = "shrutlekh.is_head"


def is_head(scope: Scope) -> bool:
    """Return whether the client asked for the headers alone. A response without an end must look."""
    return bool(scope.get(_IS_HEAD))


class HeadAsGet:
    """ASGI middleware that lets the routes answer HEAD like GET and sends only the headers.

    The application sees GET, also in its metrics and logs. A long poll waits as long as that of GET.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application; for HEAD, as GET and without the body of its response."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app({**scope, "method": "GET", _IS_HEAD: True}, receive, send_without_body)
