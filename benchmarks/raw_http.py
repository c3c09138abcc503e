"""A client that costs little: on a small machine the load must not take the CPU from what is measured.

It speaks just enough HTTP/1.1 for servers that answer with Content-Length, over connections that stay open.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

BOUNDARY = "benchmark-of-the-api"


class Answer(NamedTuple):
    """Status and body of a response."""

    status: int
    body: bytes


class Connection:
    """A connection to a server. One request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, request: bytes) -> Answer:
        """Send a request and return the response.

        Raises:
            OSError, asyncio.IncompleteReadError: the connection broke.
        """
        self._writer.write(request)
        await self._writer.drain()
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return Answer(int(head.split(b" ", 2)[1]), await self._reader.readexactly(length))

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """Connect to a server; the connection is closed at the end of the block."""
    address = urlsplit(url)
    connection = Connection(*await asyncio.open_connection(address.hostname, address.port))
    try:
        yield connection
    finally:
        await connection.close()


def get(path: str) -> bytes:
    """Return a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: benchmark\r\n\r\n".encode()


def upload(path: str, recording: Path, **fields: str) -> bytes:
    """Return a POST request with a form of one file and text fields."""
    head = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    head += (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{recording.name}"\r\n'
        "Content-Type: audio/wav\r\n\r\n"
    )
    body = head.encode() + recording.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: benchmark\r\nContent-Length: {len(body)}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    ).encode() + body
