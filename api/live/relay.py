"""Relay a live session between its WebSocket and the worker that transcribes it. No state but counters."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

import structlog
from redis.exceptions import RedisError
from starlette.websockets import WebSocket

from api.live.closing import SessionClosed
from api.live.pacing import Pacing
from api.live.post import Post
from shared.live import (
    BEAT,
    CLAIMED,
    DONE,
    FAILED,
    FINISHED,
    READY,
    SILENT_SECONDS,
    Opening,
    SessionEnd,
)
from shared.settings import Settings

CLAIM_SECONDS = 3.0
"""How long a session waits for a worker with room."""

START_SECONDS = 10.0
"""How long it waits if no worker runs: one may be about to start."""

READY_SECONDS = 60.0
"""How long a worker may take from taking a session to its first event: it may have to load the model."""

GATHER_SECONDS = 0.05
"""Audio is passed on at most this often. Longer saves Redis commands and delays partial text."""

ENTRY_BYTES = 64 * 1024
"""Most audio in one entry of the stream."""

CONTROL_LENGTH = 200
"""Most characters of a text message that is looked at."""

CANCEL_SECONDS = 0.1

log = structlog.get_logger(__name__)


class Relay:
    """One session: :meth:`run` serves it to its end."""

    def __init__(
        self, websocket: WebSocket, post: Post, opening: Opening, settings: Settings, stopping: asyncio.Event
    ) -> None:
        """
        Args:
            websocket: accepted.
            opening: not yet announced.
            stopping: set when the session is to end before its client ends it.
        """
        self._websocket = websocket
        self._post = post
        self._opening = opening
        self._settings = settings
        self._stopping = stopping
        self._pacing = Pacing(opening.sample_rate, settings.max_audio_seconds)
        self._outbox = bytearray()
        self._is_finished = False
        """Whether the client has ended its audio."""
        self._is_complete = False
        """Whether the worker has ended the session."""
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Serve the session until its text is complete or the client leaves.

        Raises:
            SessionClosed: it ends otherwise.
        """
        try:
            await self._announce()
            await _first_of(self._receive(), self._pass_on(), self._answer(), self._watch())
        except (RedisError, OSError) as error:
            log.warning("live_outage", session=self._opening.session, error=type(error).__name__)
            raise SessionClosed(
                SessionEnd.UNAVAILABLE, "Redis does not answer. Open a new session in a moment."
            ) from error
        finally:
            await asyncio.shield(self._post.leave(self._is_complete))

    async def _announce(self) -> None:
        if not self._settings.stream_sessions:
            raise SessionClosed(SessionEnd.UNAVAILABLE, "Live transcription is turned off on this service.")
        await self._post.announce()

    async def _watch(self) -> None:
        """When this process stops, end the audio. The session then ends with the text so far."""
        await self._stopping.wait()
        self._is_finished = True
        self._news.set()
        await asyncio.Event().wait()

    async def _receive(self) -> None:
        """Take what the client sends, until it disconnects."""
        while True:
            message = await self._next()
            if message["type"] == "websocket.disconnect":
                return
            pcm, text = message.get("bytes"), message.get("text")
            if text is not None:
                self._control(text)
            elif pcm is not None and not self._is_finished:
                self._pacing.count(len(pcm))
                self._outbox += pcm
            self._news.set()

    async def _next(self) -> Mapping[str, Any]:
        """Return the client's next message; a client that sends no audio is not waited for without end."""
        limit = self._settings.stream_stall_seconds
        left = None if self._is_finished else limit - (time.monotonic() - self._pacing.sent_at)
        try:
            async with asyncio.timeout(left if left is None else max(left, 0.0)):
                return await self._websocket.receive()
        except TimeoutError:
            raise SessionClosed(
                SessionEnd.STALLED,
                f"No audio came for {limit:g} s. Send silence while nobody speaks, or open a new session.",
            ) from None

    def _control(self, text: str) -> None:
        """Follow a text message."""
        try:
            message = json.loads(text) if len(text) <= CONTROL_LENGTH else None
        except ValueError:
            message = None
        if not isinstance(message, dict) or message.get("type") != "finish":
            raise SessionClosed(
                SessionEnd.INVALID,
                'A text message must be {"type": "finish"}. Send audio in binary messages.',
            )
        self._is_finished = True

    async def _pass_on(self) -> None:
        """Pass on audio to the worker."""
        was_told = False
        while True:
            await self._news.wait()
            self._news.clear()
            while self._outbox:
                piece = bytes(self._outbox[:ENTRY_BYTES])
                del self._outbox[:ENTRY_BYTES]
                await self._post.send(piece)
            if self._is_finished and not was_told:
                was_told = True
                await self._post.send(b"", FINISHED)
            await asyncio.sleep(GATHER_SECONDS)

    async def _answer(self) -> None:
        """Pass on events to the client, until the text is complete."""
        began = time.monotonic()
        deadline = began + CLAIM_SECONDS
        is_claimed = False
        while True:
            for event in await self._post.events():
                is_claimed = True
                deadline = time.monotonic() + (READY_SECONDS if event["type"] == CLAIMED else SILENT_SECONDS)
                await self._pass_back(event)
                if self._is_complete:
                    return
            if time.monotonic() > deadline:
                if is_claimed:
                    raise _lost()
                await self._require_worker(began)

    async def _require_worker(self, began: float) -> None:
        """Give the reason why no worker has taken the session since ``began``, unless one may still start."""
        if await self._post.workers(self._settings.heartbeat_expiry):
            raise SessionClosed(
                SessionEnd.NO_ROOM, "All live workers are full. Open a new session later, or add workers."
            )
        if time.monotonic() - began > START_SECONDS:
            raise SessionClosed(
                SessionEnd.UNAVAILABLE, "No live worker is running. Open a new session in a moment."
            )

    async def _pass_back(self, event: dict[str, Any]) -> None:
        self._pacing.heard = event.pop("heard", self._pacing.heard)
        kind = event["type"]
        self._is_complete = kind in (DONE, FAILED)
        if kind == FAILED:
            raise SessionClosed(SessionEnd[event["end"]], event["message"], event["code"])
        if kind == DONE and self._stopping.is_set():
            raise SessionClosed(
                SessionEnd.RESTARTING,
                "The service restarts. The segments so far are final. Open a new session and go on there.",
            )
        if kind == READY:
            event |= {"id": self._opening.session, "sample_rate": self._opening.sample_rate}
        if kind not in (CLAIMED, BEAT):
            await self._websocket.send_text(json.dumps(event, ensure_ascii=False))


def _lost() -> SessionClosed:
    return SessionClosed(
        SessionEnd.WORKER_LOST,
        "The session's worker has fallen silent. The segments so far are final. Open a new session and go on "
        "there.",
    )


async def _first_of(*steps: Any) -> None:
    """Run coroutines until the first one returns or raises, and cancel the others."""
    tasks = [asyncio.ensure_future(step) for step in steps]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        left = set(tasks)
        while left:  # again, because redis-py swallows a cancellation that comes while it connects
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=CANCEL_SECONDS)
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
