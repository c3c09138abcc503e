"""Graceful stop of a worker: tell its pool processes to stop, and how long they may go on."""

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LAST_WORDS_SECONDS = 5.0
LOOK_SECONDS = 0.1


class Drain:
    """The stop signal of a worker: created before the fork, set in the parent, read in the pool processes.

    It is a plain number in shared memory, because a signal handler must not take a lock. Reading it is cheap.
    """

    def __init__(self, seconds: float) -> None:
        """``seconds`` is how long a process keeps working on its job after the stop."""
        self._seconds = seconds
        self._told = multiprocessing.RawValue("d", 0.0)

    def begin(self) -> None:
        """Start the stop. Idempotent, and safe in a signal handler."""
        if not self._told.value:
            self._told.value = time.monotonic()  # the same clock in all processes of a machine

    @contextmanager
    def ends_process(self) -> Iterator[None]:
        """Exit this process if the worker is told to stop during the block, such as the load of a model."""
        done = threading.Event()

        def look() -> None:
            while not done.wait(LOOK_SECONDS):
                if self.begun:
                    os._exit(0)

        looker = threading.Thread(target=look, name="drain", daemon=True)
        looker.start()
        try:
            yield
        finally:
            done.set()
            looker.join()

    @property
    def begun(self) -> bool:
        """Whether the worker was told to stop. Processes then start no job."""
        return bool(self._told.value)

    @property
    def over(self) -> bool:
        """Whether the time limit has passed, so that a running job is handed back at its next step."""
        return self._passed(self._seconds)

    @property
    def late(self) -> bool:
        """Whether processes must also stop waiting for an unavailable database."""
        return self._passed(self._seconds + LAST_WORDS_SECONDS)

    def _passed(self, seconds: float) -> bool:
        told: float = self._told.value
        return told > 0 and time.monotonic() - told >= seconds
