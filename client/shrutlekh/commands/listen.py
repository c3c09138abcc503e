"""``shrutlekh listen``."""

import asyncio
import os
import sys
import time
import wave
from collections.abc import AsyncIterator, Callable
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from shrutlekh_contract.options import SubmissionOptions

from shrutlekh.api_keys import key_in
from shrutlekh.async_client import AsyncShrutlekhClient
from shrutlekh.bulk.display import printable
from shrutlekh.commands.options import NOTHING_CHOSEN, ApiKeyFile, Url, takes
from shrutlekh.errors import RecordingUnreadable
from shrutlekh.live import LivePartial, LiveSegment, LiveSession

EPILOG = """Examples:

arecord -q -t raw -f S16_LE -r 16000 -c 1 | shrutlekh listen -

shrutlekh listen interview.wav --fast

Final text goes to stdout, a line per segment. On a terminal, partial text is shown below it."""

PIECE_SECONDS = 0.1
AHEAD_SECONDS = 25.0
"""How far ahead of real time a file is sent with --fast; the service allows 30 s."""

Read = Callable[[int], bytes]


class Service(NamedTuple):
    """Where the service is, and the API key to send."""

    url: str
    api_key: str | None


@takes("decoder", "hotwords", "hotword_weight", "numerals")
def listen(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A WAV file with one channel of 16 bits, or - for raw samples on stdin."
        ),
    ],
    url: Url = "http://127.0.0.1:8000",
    api_key_file: ApiKeyFile = None,
    rate: Annotated[int, typer.Option(help="Sample rate of raw samples in hertz.")] = 16_000,
    fast: Annotated[
        bool, typer.Option("--fast", help="Send a file as fast as the service takes it.")
    ] = False,
    chosen: SubmissionOptions = NOTHING_CHOSEN,
) -> None:
    """Transcribe audio while it is recorded, with a running service."""
    service = Service(url, key_in(api_key_file))
    if source == "-":
        asyncio.run(_listen(service, chosen, _stdin, rate, None))
        return
    try:
        with wave.open(source, "rb") as file:
            if file.getnchannels() != 1 or file.getsampwidth() != 2:
                raise RecordingUnreadable("The file must have one channel of 16 bits. Submit it instead.")
            ahead = AHEAD_SECONDS if fast else 0.0
            asyncio.run(
                _listen(service, chosen, lambda n: file.readframes(n // 2), file.getframerate(), ahead)
            )
    except (OSError, EOFError, wave.Error) as error:
        name = printable(source)
        raise RecordingUnreadable(f"{name} cannot be read as a WAV file: {error}.") from error


def _stdin(size: int) -> bytes:
    """Read what has come on stdin, at most ``size`` bytes."""
    return os.read(sys.stdin.fileno(), size)


async def _listen(
    service: Service, chosen: SubmissionOptions, read: Read, rate: int, ahead: float | None
) -> None:
    """Show the text of what ``read`` returns; ``ahead`` of real time, or as it comes if None."""
    console = Console(stderr=True)
    async with (
        AsyncShrutlekhClient(service.url, api_key=service.api_key) as client,
        client.stream(rate, chosen) as session,
    ):
        sender = asyncio.create_task(_send(session, _pieces(read, rate, ahead)))
        try:
            with console.status("") as status:
                async for event in session:
                    if isinstance(event, LivePartial):
                        status.update(event.text)
                    elif isinstance(event, LiveSegment):
                        status.update("")
                        print(event.text, flush=True)  # noqa: T201
        finally:
            sender.cancel()


async def _send(session: LiveSession, pieces: AsyncIterator[bytes]) -> None:
    async for piece in pieces:
        await session.send(piece)
    await session.finish()


async def _pieces(read: Read, rate: int, ahead: float | None) -> AsyncIterator[bytes]:
    began, sent = time.monotonic(), 0
    while piece := await asyncio.to_thread(read, round(PIECE_SECONDS * rate) * 2):
        if ahead is not None:
            await asyncio.sleep(began + sent / 2 / rate - ahead - time.monotonic())
        sent += len(piece)
        yield piece
