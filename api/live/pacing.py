"""How much audio a live session may send: bounded ahead of real time, ahead of its worker, and in all."""

import time
from collections.abc import Callable

from api.live.closing import SessionClosed
from shared.live import SAMPLE_BYTES, SessionEnd

AHEAD_SECONDS = 30.0
"""Audio that a client may send ahead of real time, for example what it recorded while it was offline."""

BEHIND_SECONDS = 60.0
"""Audio that a worker may be behind before the session ends: it would only fall further behind."""


class Pacing:
    """Counts the audio of a session.

    Attributes:
        heard: seconds of audio that the worker has processed.
        sent_at: when audio last came, of ``clock``.
    """

    def __init__(
        self, sample_rate: int, max_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.heard = 0.0
        self._rate = sample_rate
        self._max_seconds = max_seconds
        self._clock = clock
        self._began = self.sent_at = clock()
        self._bytes = 0

    @property
    def seconds(self) -> float:
        """Seconds of audio that were sent."""
        return self._bytes / SAMPLE_BYTES / self._rate

    def count(self, size: int) -> None:
        """Count samples of ``size`` bytes that the client sent.

        Raises:
            SessionClosed: they are too many.
        """
        if size:
            self.sent_at = self._clock()
        self._bytes += size
        if self.seconds > self._max_seconds:
            raise SessionClosed(
                SessionEnd.TOO_LONG,
                f"The session is longer than the {self._max_seconds:g} s of audio that are allowed.",
            )
        if self.seconds - (self._clock() - self._began) > AHEAD_SECONDS:
            raise SessionClosed(
                SessionEnd.FLOODED,
                f"The audio is more than {AHEAD_SECONDS:g} s ahead of real time. Send it as it is recorded, "
                "or submit a recording as a job.",
            )
        if self.seconds - self.heard > BEHIND_SECONDS:
            raise SessionClosed(
                SessionEnd.NO_ROOM,
                f"The worker is more than {BEHIND_SECONDS:g} s behind, because it has too much to do.",
            )
