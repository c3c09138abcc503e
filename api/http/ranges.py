"""Range requests: a part of a file, as players ask for it (RFC 9110, section 14)."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Final

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.http.heads import is_head
from shared.errors import RangeNotSatisfiable
from shared.files import OpenFile

# One range of bytes. Anything else, such as several ranges, is passed over, as the RFC allows.
_RANGE: Final = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*", re.IGNORECASE)


class FileRange(StreamingResponse):
    """A response that streams a file, or the range of it that the request asks for.

    It holds the open file. In a folder that can be deleted meanwhile; from a bucket the response then breaks
    off.

    Args:
        file: is closed at the end.
        etag: strong; an If-Range with another one gets the whole file.
        limiter: of the threads that read.

    Raises:
        RangeNotSatisfiable: the file is shorter than the range's beginning.
    """

    def __init__(
        self,
        request: Request,
        file: OpenFile,
        *,
        etag: str,
        media_type: str,
        headers: Mapping[str, str],
        limiter: CapacityLimiter,
    ) -> None:
        self._file = file
        self._limiter = limiter
        size = file.size
        wanted = request.headers.get("range") if request.headers.get("if-range", etag) == etag else None
        part = _parse(wanted, size)
        first, end = part or (0, size)
        described = {"Accept-Ranges": "bytes", "ETag": etag, "Content-Length": str(end - first)}
        if part is not None:
            described["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
        blocks = file.blocks(first, first if is_head(request.scope) else end)
        super().__init__(self._sent(blocks), 206 if part else 200, {**headers, **described}, media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file in blocks. A client that disconnects ends it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()

    async def _sent(self, blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
        while block := await to_thread.run_sync(next, blocks, b"", limiter=self._limiter):
            yield block


def _parse(text: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte of a range and the one after its last, or None for the whole file."""
    match = _RANGE.fullmatch(text or "")
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        first, end = max(size - int(match[2]), 0), size
    else:
        first, end = int(match[1]), size if match[2] == "" else min(int(match[2]) + 1, size)
        if match[2] != "" and int(match[2]) < first:
            return None  # not a range
    if first >= size or end <= first:
        raise RangeNotSatisfiable(
            f"The recording has {size:,} bytes, so it has no such range.",
            headers={"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"},
        )
    return first, end
