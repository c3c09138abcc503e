"""Wake the worker's event loop when the worker is told to stop."""

import os
from contextlib import suppress
from typing import Any

from celery import Celery, bootsteps


class WakeUp:
    """A pipe into the event loop of a worker's parent process.

    Celery's signal handler only sets a flag, which the loop sees after its current wait of up to a second.
    """

    def __init__(self, celery: Celery) -> None:
        reader, self._writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(self._writer, False)

        class Listen(bootsteps.StartStopStep):  # type: ignore[misc]
            """Adds the pipe to each new event loop: there is one per connection to Redis."""

            def start(self, consumer: Any) -> None:
                consumer.hub.add_reader(reader, _read_all, reader)

        celery.steps["consumer"].add(Listen)

    def wake(self) -> None:
        """End the current wait of the event loop. Safe in a signal handler."""
        with suppress(BlockingIOError):  # a full pipe wakes it as well
            os.write(self._writer, b"!")


def _read_all(reader: int) -> None:
    with suppress(BlockingIOError):
        while os.read(reader, 64):
            pass
