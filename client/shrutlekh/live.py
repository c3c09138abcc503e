"""Live sessions: samples in, partial text and final segments out. For asyncio, with `websockets`."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import websockets
from pydantic import TypeAdapter, ValidationError
from shrutlekh_contract.declarations import Form
from shrutlekh_contract.options import RecognitionOptions
from websockets.asyncio.client import ClientConnection, connect

from shrutlekh.answers import Answer
from shrutlekh.errors import ClientError, InvalidUrl, NotShrutlekh, Unreachable

CONNECT_SECONDS = 10.0


class LiveSessionEnded(ClientError):
    """The service ended a live session. ``code`` and ``close_code`` are those of docs/stream.md."""

    def __init__(self, code: str, message: str, close_code: int | None) -> None:
        super().__init__(message)
        self.code = code
        self.close_code = close_code


class LiveReady(Answer):
    """A worker has taken the session."""

    id: str
    model: str
    language: str


class LivePartial(Answer):
    """What was said since the last segment. It replaces the one before and may be empty.

    The first ``stable`` characters were also in the one before. ``start`` and ``end`` tell the audio that it
    covers, in seconds.
    """

    text: str
    stable: int
    start: float
    end: float


class LiveWord(Answer):
    """A word with its times in seconds. ``spoken`` has the spoken words of a number in digits."""

    text: str
    start: float
    end: float
    confidence: float
    spoken: str | None = None


class LiveSegment(Answer):
    """Final text. It replaces the partial text."""

    text: str
    start: float
    end: float
    confidence: float | None
    words: tuple[LiveWord, ...]


class LiveDone(Answer):
    """The whole text, after the last segment."""

    text: str
    seconds: float
    speech_seconds: float
    no_speech: bool


LiveEvent = LiveReady | LivePartial | LiveSegment | LiveDone
_KINDS: Mapping[str, TypeAdapter[Any]] = {
    "ready": TypeAdapter(LiveReady),
    "partial": TypeAdapter(LivePartial),
    "segment": TypeAdapter(LiveSegment),
    "done": TypeAdapter(LiveDone),
}


class LiveSession:
    """An open session. Send from one task and iterate in another. Iterate once; it ends after `LiveDone`."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, pcm: bytes) -> None:
        """Send samples, signed 16-bit little-endian, at most 1 MiB. Ignored once the session has ended."""
        await self._put(pcm)

    async def finish(self) -> None:
        """End the audio. The rest of the text follows."""
        await self._put('{"type": "finish"}')

    async def _put(self, message: bytes | str) -> None:
        try:
            await self._connection.send(message)
        except websockets.ConnectionClosed:
            return  # the iteration tells why

    async def __aiter__(self) -> AsyncIterator[LiveEvent]:
        """Yield the events.

        Raises:
            LiveSessionEnded: the service ended the session.
            Unreachable: the connection broke.
        """
        error: Mapping[str, Any] | None = None
        try:
            while True:
                document = json.loads(await self._connection.recv())
                kind = document["type"]
                if kind == "error":
                    error = document
                elif kind in _KINDS:
                    yield _KINDS[kind].validate_python(document)
        except websockets.ConnectionClosedOK:
            return
        except websockets.ConnectionClosed as closed:
            if error is not None:
                code = closed.rcvd.code if closed.rcvd else None
                raise LiveSessionEnded(error["code"], error["message"], code) from closed
            raise Unreachable("The connection of the live session broke.") from closed
        except (KeyError, TypeError, ValueError, ValidationError) as wrong:
            raise NotShrutlekh("The answer is no event of a live session.") from wrong


@asynccontextmanager
async def opened(
    url: str, sample_rate: int, options: RecognitionOptions, headers: Mapping[str, str]
) -> AsyncIterator[LiveSession]:
    """Open a session with the service at ``url``.

    Raises:
        Unreachable: no service answers there.
        NotShrutlekh: what answers has no live sessions.
    """
    query = {"sample_rate": str(sample_rate), **options.form(Form.LIVE)}
    address = f"{url.rstrip('/').replace('http', 'ws', 1)}/v1/stream?{urlencode(query)}"
    try:
        connection = await connect(
            address, compression=None, open_timeout=CONNECT_SECONDS, additional_headers=headers, proxy=None
        )
    except (websockets.InvalidURI, ValueError) as error:
        raise InvalidUrl(f"{url} is not an HTTP URL.") from error
    except websockets.InvalidHandshake as error:
        raise NotShrutlekh(f"What answers at {url} has no live sessions.") from error
    except (OSError, TimeoutError) as error:
        raise Unreachable(f"No service answers at {url}.") from error
    try:
        yield LiveSession(connection)
    finally:
        await connection.close()
