"""A discrete-event simulation of the queue and its worker processes.

Jobs arrive, wait in queue order, and are claimed by a free process: one, or a group of short ones as
`shared.jobs.claim_group` does. Processes share the cores: how fast each works depends only on how many work
at that moment (processor sharing), and is measured or derived from the number of cores.
"""

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

GROUPED_AT_MOST = 8
SHORT_BYTES = 256 * 1024
"""As in `shared.jobs`. A test compares them, and the groups with those of the service."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A job.

    Attributes:
        at: when it is queued, in seconds.
        work: seconds that a process takes for it while all others are idle.
        short: whether it may be claimed together with others.
        priority: a lower number goes first; within a priority jobs go in the order of arrival.
    """

    at: float
    work: float
    short: bool = True
    priority: int = 1


@dataclass(frozen=True, slots=True)
class Pool:
    """Worker processes.

    Attributes:
        processes: their number.
        speeds: ``speeds[k - 1]`` is the speed of each of ``k`` that work, relative to one alone. Shorter
            than `processes`: the last total speed is shared by more.
        wake_seconds: from the arrival of a job until an idle process claims it.
        pause_seconds: from the end of a job until the process claims the next.
        grouped_pause_seconds: from the end of a job until the next job of the same group begins.
        grouped_at_most: most jobs that are claimed together.
    """

    processes: int
    speeds: tuple[float, ...] = (1.0,)
    wake_seconds: float = 0.0
    pause_seconds: float = 0.0
    grouped_pause_seconds: float = 0.0
    grouped_at_most: int = GROUPED_AT_MOST

    @classmethod
    def of_cores(cls, processes: int, cores: int) -> "Pool":
        """Return processes that share cores without loss and claim one job at a time."""
        speeds = tuple(min(1.0, cores / busy) for busy in range(1, processes + 1))
        return cls(processes, speeds, grouped_at_most=1)

    def speed(self, busy: int) -> float:
        """Return the speed of each of ``busy`` processes."""
        known = len(self.speeds)
        return self.speeds[busy - 1] if busy <= known else self.speeds[-1] * known / busy


@dataclass(frozen=True, slots=True)
class Outcome:
    """When each job arrived, was claimed and ended, in the order of arrival; and how busy the pool was.

    Attributes:
        busy_seconds: sum over the processes of the time in which they work on jobs.
    """

    arrived: Floats
    claimed: Floats
    ended: Floats
    busy_seconds: float

    @property
    def waits(self) -> Floats:
        """Seconds in the queue."""
        return self.claimed - self.arrived

    @property
    def responses(self) -> Floats:
        """Seconds from arrival to result."""
        return self.ended - self.arrived

    @property
    def makespan(self) -> float:
        """Seconds from the first arrival to the last result."""
        return float(self.ended.max() - self.arrived.min())


def simulate(arrivals: Sequence[Arrival], pool: Pool) -> Outcome:
    """Let the pool work on the jobs until all have ended. The result is in the order of ``arrivals``."""
    return _Run(arrivals, pool).outcome()


class _Run:
    """One simulation.

    While ``busy`` processes work, each gains ``speed(busy)`` seconds of work a second. So all that work at
    the same time gain the same, and a job ends when the common clock of gained work reaches a mark that is
    known when it begins: the heap of marks needs no update when the speed changes.
    """

    def __init__(self, arrivals: Sequence[Arrival], pool: Pool) -> None:
        self._jobs = arrivals
        self._pool = pool
        self._now = self._gained = self._busy_seconds = 0.0
        self._working: list[tuple[float, int, int, int]] = []  # mark, order, process, job
        self._claims: list[tuple[float, int, int]] = []  # time, order, process: it looks into the queue
        self._begins: list[tuple[float, int, int]] = []  # time, order, process: next job of its group
        self._groups: list[deque[int]] = [deque() for _ in range(pool.processes)]
        self._idle = deque(range(pool.processes))
        self._queue: list[tuple[int, float, int]] = []  # priority, arrival, job
        self._order = count()
        self._claimed = np.zeros(len(arrivals))
        self._ended = np.zeros(len(arrivals))

    def outcome(self) -> Outcome:
        """Run to the end."""
        order = sorted(range(len(self._jobs)), key=lambda job: self._jobs[job].at)
        coming = deque(order)
        while coming or self._working or self._claims or self._begins:
            arrival = self._jobs[coming[0]].at if coming else np.inf
            claim = self._claims[0][0] if self._claims else np.inf
            begin = self._begins[0][0] if self._begins else np.inf
            end = self._next_end()
            self._advance(min(arrival, claim, begin, end))
            if end <= min(arrival, claim, begin):
                self._end()
            elif begin <= min(arrival, claim):
                self._begin(heapq.heappop(self._begins)[2])
            elif claim <= arrival:
                self._claim(heapq.heappop(self._claims)[2])
            else:
                self._arrive(coming.popleft())
        arrived = np.array([job.at for job in self._jobs])
        return Outcome(arrived, self._claimed, self._ended, self._busy_seconds)

    def _next_end(self) -> float:
        if not self._working:
            return np.inf
        return self._now + (self._working[0][0] - self._gained) / self._pool.speed(len(self._working))

    def _advance(self, moment: float) -> None:
        if self._working:
            self._gained += (moment - self._now) * self._pool.speed(len(self._working))
            self._busy_seconds += (moment - self._now) * len(self._working)
        self._now = moment

    def _arrive(self, job: int) -> None:
        arrival = self._jobs[job]
        heapq.heappush(self._queue, (arrival.priority, arrival.at, job))
        if self._idle:
            self._look(self._idle.popleft(), self._pool.wake_seconds)

    def _look(self, process: int, after: float) -> None:
        heapq.heappush(self._claims, (self._now + after, next(self._order), process))

    def _claim(self, process: int) -> None:
        """Give the process what `claim_group` would."""
        if not self._queue:
            self._idle.append(process)
            return
        workers, most = self._pool.processes, self._pool.grouped_at_most
        waiting = min(len(self._queue), 2 * workers * most)
        share = max(waiting // (2 * workers), 1)
        group = self._groups[process]
        while self._queue and len(group) < share:
            job = self._queue[0][2]
            if group and not (self._jobs[job].short and self._jobs[group[0]].short):
                break
            heapq.heappop(self._queue)
            self._claimed[job] = self._now
            group.append(job)
        self._begin(process)

    def _begin(self, process: int) -> None:
        job = self._groups[process].popleft()
        heapq.heappush(self._working, (self._gained + self._jobs[job].work, next(self._order), process, job))

    def _end(self) -> None:
        _, _, process, job = heapq.heappop(self._working)
        self._ended[job] = self._now
        if self._groups[process]:
            after = self._now + self._pool.grouped_pause_seconds
            heapq.heappush(self._begins, (after, next(self._order), process))
        else:
            self._look(process, self._pool.pause_seconds)
