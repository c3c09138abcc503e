"""The watchdog: enforces the time limit of an attempt by ending its process. Another worker gets the job."""

import faulthandler
import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog

EXIT_STATUS = 1

log = structlog.get_logger(__name__)


class Watchdog:
    """Watches one attempt: a context manager around it.

    The limit grows with the audio that was actually decoded, so a lying header cannot extend it. When the
    limit passes, a thread hands the job back and ends the process, because nothing less stops a loop in
    native code. It ends the process sooner if the attempt has been silent for so long that another worker has
    the job. Native code that never releases the GIL blocks this thread too. Then faulthandler's timer, which
    does not need the GIL, ends the process, and the job's lease expires.
    """

    def __init__(
        self,
        base: float,
        per_audio_second: float,
        silence: float,
        on_timeout: Callable[[float], None],
        is_lost: Callable[[], bool],
        end_process: Callable[[int], object] = os._exit,
    ) -> None:
        """All times in seconds.

        Args:
            base: the limit before any audio is decoded.
            per_audio_second: added to the limit per second of decoded audio.
            silence: how long after the last :meth:`heard` to ask ``is_lost``. Also how long after the limit
                faulthandler ends the process.
            on_timeout: hands the job back; receives the limit. Called in the watchdog's thread.
            is_lost: returns whether another worker has the job. Called in the watchdog's thread.
            end_process: ends the process; replaced in tests.
        """
        self._base = base
        self._per_audio_second = per_audio_second
        self._silence = silence
        self._on_timeout = on_timeout
        self._is_lost = is_lost
        self._end_process = end_process
        self._limit = base
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def heard(self, audio_seconds: float) -> None:
        """Report progress: the attempt has decoded ``audio_seconds`` of audio in total."""
        self._limit = self._base + self._per_audio_second * audio_seconds
        self._heard_at = time.monotonic()

    def __enter__(self) -> Self:
        self._began = self._heard_at = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()  # does not return if the limit has just passed, because the process ends
        faulthandler.cancel_dump_traceback_later()

    def _watch(self) -> None:
        suspected = False
        try:
            while not self._over.is_set():
                limit = self._limit
                left = self._began + limit - time.monotonic()
                if left <= 0:
                    self._on_timeout(limit)
                    break
                lost = time.monotonic() - self._heard_at >= self._silence and self._is_lost()
                if lost and suspected:
                    log.error("attempt_lost")
                    break
                # End the process only if the job is still lost at the next check: a process that was merely
                # frozen notices the loss at its next step and goes on with another job.
                suspected = lost
                # Re-armed at each wake-up, which is rare, because the limit may have grown.
                faulthandler.dump_traceback_later(left + self._silence, exit=True, file=2)
                if self._over.wait(min(left, self._silence * (0.25 if suspected else 1.0))):
                    return
            else:
                return
        except Exception:
            log.exception("watchdog_failed")
        self._end_process(EXIT_STATUS)
