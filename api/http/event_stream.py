"""Server-sent events: the wire format, and a response that streams them until the client leaves.

The format is that of the HTML standard, section "Server-sent events".
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from anyio import create_task_group
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.http.heads import is_head

MEDIA_TYPE = "text/event-stream"
HEARTBEAT = b": \n\n"
# Proxies must not collect the events of a stream before they pass them on.
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def event(name: str, data: str, event_id: str | None = None) -> bytes:
    """Format an event. ``data`` is one line, such as JSON."""
    lines = ([] if event_id is None else [f"id: {event_id}"]) + [f"event: {name}", f"data: {data}"]
    return ("\n".join(lines) + "\n\n").encode()


def retry_after(seconds: float) -> bytes:
    """Format the time after which a client whose connection ended connects again."""
    return f"retry: {round(1000 * seconds)}\n\n".encode()


class EventStream(StreamingResponse):
    """A response that streams blocks of events. A client that disconnects ends it at once.

    Args:
        blocks: the events. Closed at the end, also when the client disconnects.
    """

    def __init__(self, blocks: AsyncGenerator[bytes, None]) -> None:
        super().__init__(blocks, headers=HEADERS, media_type=MEDIA_TYPE)
        self._blocks = blocks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events, each at once. To HEAD, send the headers."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with aclosing(self._blocks) as blocks, create_task_group() as group:

            async def end_with_client() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                group.cancel_scope.cancel()

            if not is_head(scope):
                group.start_soon(end_with_client)
                async for block in blocks:
                    await send({"type": "http.response.body", "body": block, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            group.cancel_scope.cancel()
