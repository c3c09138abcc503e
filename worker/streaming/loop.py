"""The loop of a live worker: one thread that takes sessions and turns to each of them.

In each round the audio that has come is processed for all sessions, which yields final segments, and then a
partial text is decoded for the session that has waited longest. When the worker is busy, partial texts thus
come less often, in all sessions alike, and final segments do not wait for them.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog
from redis.exceptions import RedisError

from shared.errors import ServiceError
from shared.live import (
    BEAT_SECONDS,
    CLAIMED,
    EXPIRY_SECONDS,
    FAILED,
    FINISHED,
    READY,
    Opening,
    SessionEnd,
)
from shared.settings import Settings
from speech import SpeechError
from worker.streaming import metrics
from worker.streaming.mailbox import Mailbox

if TYPE_CHECKING:
    from worker.streaming.opener import Opener
    from worker.streaming.session import Session

CLAIM_SECONDS = 1.0
"""How long to wait for a session while there is none. A request to stop waits for it."""

AUDIO_SECONDS = 0.05
"""How long to wait for audio before the next look for openings."""

OUTAGE_SECONDS = 1.0

LEFT = "left"
"""Code in logs and metrics of a session that the client or the API ended before its text was complete."""

UNEXPECTED = "The worker hit an unexpected error. Its log has the details."
RESTARTS = "The live worker stops. The segments so far are final. Open a new session and go on there."

log = structlog.get_logger(__name__)


class LiveWorker:
    """Runs sessions until it is told to stop.

    Unless :meth:`warm` was called, the engine is loaded for the first session, beside this loop, so that a
    service that nobody speaks to stays small.
    """

    def __init__(
        self, settings: Settings, mailbox: Mailbox, make_opener: Callable[[], "Opener"] | None = None
    ) -> None:
        """``make_opener`` loads the engine."""
        self._settings = settings
        self._mailbox = mailbox
        self._make_opener = make_opener or _load(settings)
        self._opener: Opener | None = None
        self._loading: Loading | None = None
        self._claimed: list[Opening] = []
        """Sessions that wait for the engine."""
        self._sessions: dict[str, Session] = {}
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End the sessions and return from :meth:`run`. Safe in a signal handler."""
        self._stopped.set()

    def run(self) -> None:
        """Run sessions until :meth:`stop`, whatever happens to Redis or to single sessions."""
        while not self._stopped.is_set():
            try:
                self._round()
            except (RedisError, OSError) as error:
                # Events are lost, so no session can go on. The API notices and tells the clients.
                log.warning("live_outage", error=type(error).__name__, sessions=len(self._sessions))
                self._sessions.clear()
                self._claimed.clear()
                self._mailbox.forget_all()
                metrics.SESSIONS.set(0)
                self._stopped.wait(OUTAGE_SECONDS)
        self._end_all()

    def warm(self) -> None:
        """Load the engine now.

        Raises:
            ServiceError, SpeechError: the default model cannot be loaded.
        """
        began = time.monotonic()
        self._opener = self._make_opener()
        log.info("live_model_loaded", seconds=round(time.monotonic() - began, 3))

    def _round(self) -> None:
        self._claim()
        self._open_claimed()
        if not self._sessions:
            return
        self._hear()
        self._show()
        self._beat()
        self._drop_silent()

    def _claim(self) -> None:
        """Take a session, if there is room. It is opened once the engine is loaded."""
        if len(self._sessions) + len(self._claimed) >= self._settings.stream_sessions:
            return
        wait = 0.0 if self._sessions else AUDIO_SECONDS if self._claimed else CLAIM_SECONDS
        opening = self._mailbox.claim(wait)
        if opening is not None:
            self._claimed.append(opening)
            self._mailbox.send(opening.session, [{"type": CLAIMED}])
            log.info("live_session_claimed", session=opening.session, sample_rate=opening.sample_rate)

    def _open_claimed(self) -> None:
        if not self._claimed:
            return
        if self._opener is None:
            if self._loading is None:
                self._loading = Loading(self.warm)
            if not self._loading.is_done:
                return
            loading, self._loading = self._loading, None
            if loading.error is not None:
                self._refuse_claimed(loading.error)
                return
        for opening in self._taken():
            self._open(opening)

    def _taken(self) -> list[Opening]:
        claimed, self._claimed = self._claimed, []
        return claimed

    def _refuse_claimed(self, error: Exception) -> None:
        """Tell that the engine cannot be loaded. The next session tries again."""
        log.error("live_model_not_loaded", exc_info=error)
        end = SessionEnd.UNAVAILABLE
        code, message = end.error, UNEXPECTED
        if isinstance(error, ServiceError | SpeechError):
            code, message = error.code, error.message
        for opening in self._taken():
            self._fail(opening.session, end, code, message)

    def _open(self, opening: Opening) -> None:
        """Open a session, or tell why it cannot be opened."""
        assert self._opener is not None
        try:
            session = self._opener.open(opening)
        except SpeechError as error:
            self._fail(opening.session, SessionEnd.INVALID, error.code, error.message)
            return
        except Exception:
            log.exception("live_session_not_opened", session=opening.session)
            self._fail(opening.session, SessionEnd.INTERNAL, SessionEnd.INTERNAL.error, UNEXPECTED)
            return
        card = self._opener.card
        self._sessions[opening.session] = session
        metrics.SESSIONS.set(len(self._sessions))
        self._send(session, [{"type": READY, "model": card.name, "language": card.language}])

    def _hear(self) -> None:
        """Process the audio that has come."""
        is_due = any(session.is_due for session in self._sessions.values())
        wait = 0.0 if is_due else AUDIO_SECONDS
        for name, arrived in self._mailbox.arrived(list(self._sessions), wait).items():
            self._beat()  # what follows may take a while
            session = self._sessions[name]
            before = session.seconds
            if arrived.pcm and not self._try(session, session.hear, arrived.pcm):
                continue
            metrics.AUDIO_SECONDS.inc(session.seconds - before)
            if arrived.last == FINISHED and not self._try(session, session.finish):
                continue
            if arrived.last is not None:
                self._close(session, "" if arrived.last == FINISHED else LEFT)

    def _show(self) -> None:
        """Decode a partial text for the session that has waited longest."""
        due = [session for session in self._sessions.values() if session.is_due]
        if due:
            session = min(due, key=lambda one: one.waits_since)
            since = session.waits_since
            if self._try(session, session.partial):
                metrics.PARTIAL_SECONDS.observe(time.monotonic() - since)

    def _beat(self) -> None:
        moment = time.monotonic()
        for session in self._sessions.values():
            if moment - session.sent_at >= BEAT_SECONDS:
                self._send(session, [session.beat()])

    def _drop_silent(self) -> None:
        """Drop the sessions whose API process has died: a living one ends sessions that send no audio."""
        limit = time.monotonic() - self._settings.stream_stall_seconds - EXPIRY_SECONDS
        for session in [one for one in self._sessions.values() if one.heard_at < limit]:
            self._close(session, LEFT)

    def _try(
        self, session: "Session", step: Callable[..., Sequence[Mapping[str, Any]]], *arguments: bytes
    ) -> bool:
        """Take a step of a session and send its events. If it raises, the session fails and others go on."""
        try:
            events = step(*arguments)
        except Exception:
            log.exception("live_session_failed", session=session.name)
            self._fail(session.name, SessionEnd.INTERNAL, SessionEnd.INTERNAL.error, UNEXPECTED)
            self._close(session, SessionEnd.INTERNAL.error)
            return False
        if events:
            self._send(session, events)
        return True

    def _send(self, session: "Session", events: Sequence[Mapping[str, Any]]) -> None:
        session.sent_at = time.monotonic()
        self._mailbox.send(session.name, events)

    def _fail(self, session: str, end: SessionEnd, code: str, message: str) -> None:
        event = {"type": FAILED, "end": end.name, "code": code, "message": message}
        self._mailbox.send(session, [event])

    def _close(self, session: "Session", code: str) -> None:
        self._sessions.pop(session.name, None)
        metrics.SESSIONS.set(len(self._sessions))
        metrics.SESSIONS_ENDED.labels(code).inc()
        log.info("live_session_ended", session=session.name, seconds=round(session.seconds, 3), code=code)
        self._mailbox.forget(session.name)

    def _end_all(self) -> None:
        """Send the text so far as final segments, then tell that the service restarts."""
        end = SessionEnd.RESTARTING
        try:
            for opening in self._taken():
                self._fail(opening.session, end, end.error, RESTARTS)
        except (RedisError, OSError):
            log.warning("live_outage", sessions=len(self._sessions))
        for session in list(self._sessions.values()):
            try:
                if self._try(session, session.rest):
                    self._fail(session.name, end, end.error, RESTARTS)
                    self._close(session, end.error)
            except (RedisError, OSError):
                log.warning("live_outage", session=session.name)


class Loading:
    """Runs a function in a thread.

    Attributes:
        error: what it raised, once it is done.
    """

    def __init__(self, function: Callable[[], None]) -> None:
        self.error: Exception | None = None
        self._function = function
        self._thread = threading.Thread(target=self._run, name="loading", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._function()
        except Exception as error:  # noqa: BLE001 - the loop reports it
            self.error = error

    @property
    def is_done(self) -> bool:
        """Whether the function has ended."""
        return not self._thread.is_alive()


def _load(settings: Settings) -> Callable[[], "Opener"]:
    def load() -> "Opener":
        from worker.streaming.opener import Opener  # ONNX Runtime, the model: not before somebody speaks

        return Opener(settings)

    return load
