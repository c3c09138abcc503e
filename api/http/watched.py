"""Which jobs and batches somebody waits for, and whether they have changed."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from shared.database import Database
from shared.jobs import Mark

ReadMarks = Callable[[Database, Sequence[uuid.UUID]], Mapping[uuid.UUID, Mark]]

# The mark of what does not exist (any more).
GONE = Mark(None, has_ended=True)


class Watch:
    """One waiter's view of what it waits for.

    Attributes:
        only_end: whether the waiter cares for the end alone, so that other changes need not wake it.
    """

    __slots__ = ("_changed", "only_end")

    def __init__(self) -> None:
        self.only_end = False
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
        self._marks: dict[uuid.UUID, Mark] = {}

    @contextmanager
    def watching(self, *things: uuid.UUID) -> Iterator[Watch]:
        """Register a waiter for a change of any of these. None after the start of the block is missed."""
        watch = Watch()
        for what in things:
            self.waiters[what].add(watch)
        try:
            yield watch
        finally:
            for what in set(things):
                self.waiters[what].discard(watch)
                if not self.waiters[what]:
                    del self.waiters[what]
                    self._marks.pop(what, None)

    def compare(self, looked_at: Iterable[uuid.UUID], marks: Mapping[uuid.UUID, Mark]) -> None:
        """Wake the waiters of what has another mark than before, is gone, or is looked at for the first time.

        At the first look they are woken because something may have changed since they read it themselves.
        Those who wait only for the end are woken when it has come.
        """
        for what in looked_at:
            if what not in self.waiters:
                continue
            mark = marks.get(what, GONE)
            has_changed = self._marks.get(what) != mark
            self._marks[what] = mark
            for watch in self.waiters[what]:
                if mark.has_ended if watch.only_end else has_changed:
                    watch.wake()

    def wake_all(self) -> None:
        """Wake everybody."""
        for waiters in self.waiters.values():
            for watch in waiters:
                watch.wake()
