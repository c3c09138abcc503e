"""Thread limits for blocking work.

Each kind of work has its own limit, so that slow disks do not delay polls and waiting writers do not delay
readers. There are as many database connections as threads that use one, so no thread waits for the pool.
"""

from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, fail_after, to_thread

Result = TypeVar("Result")

READS = 8
FILES = 8
RINGS = 4
BATCHES = 2
PLAYING = 8


class Threads:
    """Run blocking functions in threads, with a limit for each kind of work.

    Attributes:
        connections: database connections that the threads may use at once.
        playing: limit of the threads that read recordings for players.
    """

    def __init__(self, *, single_writer: bool) -> None:
        # SQLite allows one writer at a time. Here writers queue in order instead of polling for its lock.
        writes = 1 if single_writer else READS
        self.connections = READS + writes + BATCHES + 1
        self._reads = CapacityLimiter(READS)
        self._writes = CapacityLimiter(writes)
        self._files = CapacityLimiter(FILES)
        self._rings = CapacityLimiter(RINGS)
        self._batches = CapacityLimiter(BATCHES)
        self._probe = CapacityLimiter(1)
        self._probe_files = CapacityLimiter(1)
        self.playing = CapacityLimiter(PLAYING)

    async def read(self, work: Callable[[], Result]) -> Result:
        """Run work that reads the database."""
        return await to_thread.run_sync(work, limiter=self._reads)

    async def write(self, work: Callable[[], Result]) -> Result:
        """Run work that writes the database."""
        return await to_thread.run_sync(work, limiter=self._writes)

    async def file(self, work: Callable[[], Result]) -> Result:
        """Run work on stored files."""
        return await to_thread.run_sync(work, limiter=self._files)

    async def batch(self, work: Callable[[], Result]) -> Result:
        """Run work on a whole batch of jobs or on its archive, which may take seconds.

        It may use the database in short transactions. On SQLite they compete with those of the writers, but
        do not hold their place in between.
        """
        return await to_thread.run_sync(work, limiter=self._batches)

    async def ring(self, work: Callable[[], Result]) -> Result:
        """Run work that talks to Redis."""
        return await to_thread.run_sync(work, limiter=self._rings)

    async def probe(self, work: Callable[[], Result], seconds: float) -> Result:
        """Run a health check. If it hangs, its thread is abandoned and the next check waits for that thread.

        Raises:
            TimeoutError: the check took longer than ``seconds``.
        """
        return await _probed(work, self._probe, seconds)

    async def probe_files(self, work: Callable[[], Result], seconds: float) -> Result:
        """As :meth:`probe`, for the file store."""
        return await _probed(work, self._probe_files, seconds)


async def _probed(work: Callable[[], Result], limiter: CapacityLimiter, seconds: float) -> Result:
    with fail_after(seconds):
        return await to_thread.run_sync(work, limiter=limiter, abandon_on_cancel=True)
