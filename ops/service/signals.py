"""Wait for a signal, the end of a child or a timeout, without polling and without races."""

import os
import select
import signal
from types import FrameType, TracebackType
from typing import Any, Self

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Counts requests to stop. The end of a child only wakes the waiter. For the main thread only.

    A signal handler may take no lock, so it writes to a pipe that :meth:`wait` reads.
    """

    def __init__(self) -> None:
        self.stops = 0
        self._reader, self._writer = -1, -1
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        for number in STOPPING:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                self._before[number] = signal.signal(number, self._stop)
        self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, self._wake)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._reader)
        os.close(self._writer)

    def wait(self, seconds: float) -> None:
        """Return after the timeout, or earlier if a signal arrived since the last call."""
        select.select([self._reader], [], [], max(0.0, seconds))
        try:
            while os.read(self._reader, 512):
                pass
        except BlockingIOError:
            return

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stops += 1
        self._wake(_number, _frame)

    def _wake(self, _number: int, _frame: FrameType | None) -> None:
        try:
            os.write(self._writer, b"!")
        except BlockingIOError:  # the pipe is full of wake-ups already
            return
