"""A worker that was told to stop: how its processes hear of it, and how long they go on."""

import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LAST_WORDS_SECONDS = 5.0
LOOK_SECONDS = 0.1


class Drain:
    """Made before the fork, told in the parent, looked at in the pool's processes.

    A plain number in shared memory: a signal handler may take no lock, and a look at it costs nothing.
    """

    def __init__(self, seconds: float) -> None:
        """``seconds`` is how long a process goes on with its job."""
        self._seconds = seconds
        self._told = multiprocessing.RawValue("d", 0.0)

    def begin(self) -> None:
        """The worker stops. May be called from a signal handler, and twice."""
        if not self._told.value:
            self._told.value = time.monotonic()  # one clock for all processes of a machine

    @contextmanager
    def ends_process(self) -> Iterator[None]:
        """While the block runs, as that of a model being loaded, a worker told to stop ends this process."""
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
        """Whether the worker was told to stop: no job is begun any more."""
        return bool(self._told.value)

    @property
    def over(self) -> bool:
        """Whether a job in hand shall be given back at its next step."""
        return self._passed(self._seconds)

    @property
    def late(self) -> bool:
        """Whether even a database that is away is waited for no longer."""
        return self._passed(self._seconds + LAST_WORDS_SECONDS)

    def _passed(self, seconds: float) -> bool:
        told: float = self._told.value
        return told > 0 and time.monotonic() - told >= seconds
