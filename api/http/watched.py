"""Which jobs and batches somebody waits for, and whether they have changed."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from sqlalchemy.orm import Session

ReadMarks = Callable[[Session, Sequence[uuid.UUID]], Mapping[uuid.UUID, Hashable]]


class Watch:
    """One waiter's view of what it waits for."""

    __slots__ = ("_changed",)

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def look(self) -> None:
        """Forget earlier changes, because the waiter is about to read."""
        self._changed.clear()

    def wake(self) -> None:
        """Tell the waiter to read."""
        self._changed.set()

    async def wait(self, seconds: float) -> bool:
        """Wait for a change, for at most ``seconds``. Return whether there was one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._changed.wait()
        return False


class Watched:
    """Waiters by what they wait for, and the mark that each thing had when it was last looked at.

    Args:
        read: reads the marks of things; a thing has changed if its mark has.
    """

    def __init__(self, read: ReadMarks) -> None:
        self.read = read
        self.waiters: defaultdict[uuid.UUID, set[Watch]] = defaultdict(set)
        self._marks: dict[uuid.UUID, Hashable] = {}

    @contextmanager
    def watching(self, what: uuid.UUID) -> Iterator[Watch]:
        """Register a waiter. No change after the start of the block is missed."""
        watch = Watch()
        self.waiters[what].add(watch)
        try:
            yield watch
        finally:
            self.waiters[what].discard(watch)
            if not self.waiters[what]:
                del self.waiters[what]
                self._marks.pop(what, None)

    def compare(self, looked_at: Iterable[uuid.UUID], marks: Mapping[uuid.UUID, Hashable]) -> None:
        """Wake the waiters of what has another mark than before, is gone, or is looked at for the first time.

        At the first look they are woken because something may have changed since they read it themselves.
        """
        for what in looked_at:
            if what not in self.waiters:
                continue
            mark = marks.get(what)
            if what not in self._marks or self._marks[what] != mark:
                self._marks[what] = mark
                self._wake(self.waiters[what])

    def wake_all(self) -> None:
        """Wake everybody."""
        for waiters in self.waiters.values():
            self._wake(waiters)

    @staticmethod
    def _wake(waiters: Iterable[Watch]) -> None:
        for watch in waiters:
            watch.wake()
