"""The live sessions of this process, so that its shutdown can end them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class LiveSessions:
    """Counts the sessions in progress, and tells them when to stop."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        """Set when sessions are to end."""
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a session for the duration of the block."""
        self._count += 1
        self._none.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._none.set()

    async def stop(self, seconds: float) -> None:
        """Tell the sessions to end, and return when they have ended, or after ``seconds``."""
        self.stopping.set()
        try:
            async with asyncio.timeout(seconds):
                await self._none.wait()
        except TimeoutError:
            return
