"""Which blocking work runs in which threads.

Each kind has its own bound, so that slow disks hold up no poll and waiting writers hold up no reader. There
are as many database connections as threads that may want one: none ever waits for the pool.
"""

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, fail_after, to_thread

Result = TypeVar("Result")

READS = 8
FILES = 8
RINGS = 4


class Threads:
    """Bounded threads for reading and writing the database, for files, for the queue and for the probe."""

    def __init__(self, *, single_writer: bool) -> None:
        # SQLite lets one write at a time; here they queue fairly instead of polling for its lock.
        writes = 1 if single_writer else READS
        self.connections = READS + writes + 1
        self._reads = CapacityLimiter(READS)
        self._writes = CapacityLimiter(writes)
        self._files = CapacityLimiter(FILES)
        self._rings = CapacityLimiter(RINGS)
        self._probe = CapacityLimiter(1)

    async def read(self, work: Callable[[], Result]) -> Result:
        """Run work that reads the database."""
        return await to_thread.run_sync(work, limiter=self._reads)

    async def write(self, work: Callable[[], Result]) -> Result:
        """Run work that writes the database."""
        return await to_thread.run_sync(work, limiter=self._writes)

    async def file(self, work: Callable[[], Result]) -> Result:
        """Run work on stored files."""
        return await to_thread.run_sync(work, limiter=self._files)

    async def ring(self, work: Callable[[], Result]) -> Result:
        """Run work that talks to Redis."""
        return await to_thread.run_sync(work, limiter=self._rings)

    async def probe(self, work: Callable[[], Result], seconds: float) -> Result:
        """Run a health check; one that hangs is left behind, and the next waits for it.

        Raises:
            TimeoutError: it took longer than ``seconds``.
        """
        with fail_after(seconds):
            return await to_thread.run_sync(work, limiter=self._probe, abandon_on_cancel=True)
