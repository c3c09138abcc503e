"""Headers that keep a browser from taking an answer for something that it may run, frame or embed.

The answers hold what strangers said and named, so no page of another origin and no content sniffing may turn
them into code.
"""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# An answer of the API is data: as a document it may load nothing, and nobody may frame it.
DATA_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
# The documentation runs its own scripts, which are served from here.
PAGE_POLICY: Final = "frame-ancestors 'none'"
PAGES: Final = ("/docs", "/docs/oauth2-redirect")
ASSETS: Final = "/static-offline-docs/"


class SafeHeaders:
    """ASGI middleware that adds the headers to every response, unless a route has set its own.

    Args:
        embeddable: whether pages of other origins may embed answers, such as pictures.
    """

    def __init__(self, app: ASGIApp, *, embeddable: bool) -> None:
        self._app = app
        self._headers = {
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "cross-origin" if embeddable else "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application and add the headers to its response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        policy = PAGE_POLICY if path in PAGES or path.startswith(ASSETS) else DATA_POLICY

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in {**self._headers, "Content-Security-Policy": policy}.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
