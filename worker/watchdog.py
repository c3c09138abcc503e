"""The time limit of an attempt: whatever hangs, its process ends and the job goes on elsewhere."""

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
    """Watches one attempt, from the beginning of a ``with`` block to its end.

    The limit grows with the audio that was really decoded, so no header can lie about it. When it passes, a
    thread hands the job back and ends the process: nothing gentler stops a loop in somebody else's code. It
    ends the process sooner when nothing was heard for so long that somebody else has the job. Native code
    that never lets go of the interpreter stops that thread too; behind it waits faulthandler's, which needs
    no interpreter. The job's lease then runs out by itself.
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
            silence: after so long without a word it is asked whether the attempt is lost; also how much later
                than the limit the process ends if the thread can't.
            on_timeout: hands the job back; given the limit. Runs in the watchdog's thread, as does
            is_lost: whether somebody else has the job.
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
        """So much audio was decoded: the limit is this long, counted from the beginning."""
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
        self._thread.join()  # never returns if the limit has just passed: the process ends
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
                # A process that was only frozen hears of it at its next step, and goes on with another job.
                suspected = lost
                # Armed anew whenever this thread wakes, which is rarely: the limit may have grown.
                faulthandler.dump_traceback_later(left + self._silence, exit=True, file=2)
                if self._over.wait(min(left, self._silence * (0.25 if suspected else 1.0))):
                    return
            else:
                return
        except Exception:
            log.exception("watchdog_failed")
        self._end_process(EXIT_STATUS)
