"""The arithmetic of the capacity plan: what a number of audio hours a day needs of each resource."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import count
from math import ceil, inf

import numpy as np

from benchmarks.capacity.arrivals import CALLS, Mix, by_hours
from benchmarks.capacity.measurement import Round
from benchmarks.capacity.record import Record
from benchmarks.capacity.simulation import Arrival, Pool, simulate
from shared.connection_budget import API, COURIER, SWEEPER, WORKER_PROCESS

STEPS = (100, 1_000, 10_000, 100_000)
"""Audio hours a day."""

LONGEST_WAIT = 10.0
"""Seconds in the queue that 95 of 100 recordings may wait in the busiest hours."""

BUSY_HOURS = slice(10, 12)
FILLED = 0.7
"""Part of its ceiling up to which a shared resource is used: queues before it stay short."""

CORES_FILLED = 0.9
"""The same of worker cores, before which recordings may wait."""

WRITES_A_JOB = 3
"""Transactions that write: submission, claim, success. A busy process adds a renewal a second."""

SWEEPER_CONNECTIONS = SWEEPER + COURIER

RESERVED_CONNECTIONS = 3
"""Connections that Postgres keeps for its superuser."""

DATABASE_MB_AN_HOUR, DATABASE_MB_A_JOB = 0.69, 0.04
"""docs/records/2026-11-23-sizing.md"""


@dataclass(frozen=True, slots=True)
class Setup:
    """What is there.

    Attributes:
        cores: of workers, one process on each.
        postgres: commits a second, the measured ceiling times what it was enlarged by.
        connections: that Postgres allows.
        network: megabytes a second to and from the file store.
    """

    cores: int = 2
    api: int = 1
    postgres: float = 0.0
    connections: int = 100
    network: float = 118.0


@dataclass(frozen=True)
class Costs:
    """What a recording of a mix costs, from the measurements."""

    record: Record
    mix: Mix

    @cached_property
    def service(self) -> float:
        """Seconds of a core for a recording of mean length, while all cores work."""
        base, per_second = self.line
        return base + per_second * self.mix.seconds

    @cached_property
    def line(self) -> tuple[float, float]:
        """Seconds of a core for a recording of no length, and for each second of its length."""
        found = self._at_all_cores.calibration
        speed = found.speeds[-1]
        return found.base / speed + found.pause_seconds, found.per_second / speed

    @cached_property
    def api(self) -> float:
        """CPU seconds of the API for upload, status, transcript and picture."""
        return (
            self.record.api.submit + self.record.api.read + self.record.api.megabyte * self.megabytes
        ) / 1000

    @property
    def megabytes(self) -> float:
        """Of a recording of mean length, as it is sent."""
        return self.mix.megabytes * self.mix.seconds / 3600

    @cached_property
    def redis(self) -> tuple[float, float]:
        """Commands of Redis and its CPU seconds for a recording."""
        used, jobs = self._at_all_cores.arrivals, self._at_all_cores.jobs
        return used.redis_commands / jobs, used.cpu_seconds["redis-server"] / jobs

    @cached_property
    def commits(self) -> float:
        """Commits a second that Postgres reached."""
        return max(one.commits for one in self.record.database)

    @property
    def _at_all_cores(self) -> Round:
        return next(one for one in self.record.rounds if one.processes == 2)


@dataclass(frozen=True)
class Need:
    """What a number of audio hours a day needs, in the busiest hour."""

    costs: Costs
    hours: float

    @property
    def jobs(self) -> float:
        """Recordings a second in the busiest hour."""
        mix = self.costs.mix
        return mix.jobs_a_day(self.hours) / 86_400 * mix.peak

    @property
    def busy(self) -> float:
        """Worker processes that work at a time."""
        return self.jobs * self.costs.service

    @cached_property
    def cores(self) -> int:
        """Worker cores."""
        fewest = max(ceil(self.busy / CORES_FILLED), 1)
        if self.costs.mix is not CALLS:
            return fewest
        return next(cores for cores in count(fewest) if self.wait(cores) <= LONGEST_WAIT)

    def wait(self, cores: int) -> float:
        """Return the simulated wait in seconds of 95 of 100 recordings in the busiest hours."""
        return _wait(self.costs.mix, self.hours, self.costs.line, cores)

    @property
    def api(self) -> float:
        """API processes that work at a time."""
        return self.jobs * self.costs.api

    @property
    def commits(self) -> float:
        """Transactions that write, a second."""
        return WRITES_A_JOB * self.jobs + self.busy

    def connections(self, cores: float) -> int:
        """Return the connections to Postgres."""
        api = max(ceil(self.api / FILLED), 1)
        return ceil(WORKER_PROCESS * cores) + API * api + SWEEPER_CONNECTIONS

    @property
    def network(self) -> float:
        """Megabytes a second to and from the file store: each recording is written once and read once."""
        return 2 * self.jobs * self.costs.megabytes

    @property
    def stored(self) -> float:
        """Gigabytes of recordings a day."""
        return self.hours * self.costs.mix.megabytes / 1000

    @property
    def database(self) -> float:
        """Gigabytes of database a day."""
        jobs = self.costs.mix.jobs_a_day(self.hours)
        return (self.hours * DATABASE_MB_AN_HOUR + jobs * DATABASE_MB_A_JOB) / 1000


@cache
def _wait(mix: Mix, hours: float, line: tuple[float, float], cores: int) -> float:
    dice = np.random.default_rng(20)
    weights = tuple(weight * len(mix.hours) / sum(mix.hours) for weight in mix.hours[BUSY_HOURS])
    times = by_hours(mix.jobs_a_day(hours) / 86_400 * float(np.mean(weights)), weights, dice)
    works = line[0] + line[1] * mix.lengths(len(times), dice)
    arrivals = [
        Arrival(at, work, short=False) for at, work in zip(times.tolist(), works.tolist(), strict=True)
    ]
    return float(np.quantile(simulate(arrivals, Pool(cores, (1.0,) * cores)).waits, 0.95))


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """A resource that a step exceeds.

    Attributes:
        hours: audio hours a day up to which it sufficed.
    """

    resource: str
    hours: float
    arithmetic: str
    change: str


def setup_of(need: Need, before: Setup) -> Setup:
    """Return what the step needs, at least what there was."""
    cores = max(need.cores, before.cores)
    postgres = before.postgres
    while need.commits > FILLED * postgres:
        postgres *= 2
    connections = before.connections
    while need.connections(cores) > connections - RESERVED_CONNECTIONS:
        connections *= 2
    network = before.network
    while need.network > FILLED * network:
        network *= 10
    return Setup(cores, max(ceil(need.api / FILLED), before.api), postgres, connections, network)


def bottlenecks(need: Need, before: Setup) -> list[Bottleneck]:
    """Return what is too small for so many hours a day, the first to be exhausted first."""
    costs, hours = need.costs, need.hours
    one = Need(costs, 1.0)
    after = setup_of(need, before)
    redis = costs.redis[1]
    found = [
        Bottleneck(
            "worker cores",
            hours * before.cores / need.cores,
            f"{need.jobs:.3g} recordings/s × {costs.service:.3g} s = {need.busy:.3g} busy, of {before.cores}",
            f"{after.cores} cores",
        ),
        Bottleneck(
            "CPU of an API process",
            FILLED * before.api / one.api,
            f"{need.jobs:.3g}/s × {1000 * costs.api:.0f} ms = {need.api:.2f}, of {before.api} × {FILLED}",
            f"{after.api} processes",
        ),
        Bottleneck(
            "Postgres commits",
            FILLED * before.postgres / one.commits,
            f"{need.jobs:.3g}/s × {WRITES_A_JOB} + {need.busy:.3g} renewals = {need.commits:.3g}/s, of "
            f"{before.postgres:.0f} × {FILLED}",
            f"{after.postgres / costs.commits:.0f} times the measured machine",
        ),
        Bottleneck(
            "Postgres connections",
            _hours_until(lambda at: at.connections(at.busy * need.cores / need.busy), before, costs),
            f"{WORKER_PROCESS} × {need.cores} + {API} × {after.api} + {SWEEPER_CONNECTIONS} "
            f"= {need.connections(need.cores)}, of {before.connections - RESERVED_CONNECTIONS}",
            f"PgBouncer, or max_connections = {after.connections}",
        ),
        Bottleneck(
            "network of the file store",
            FILLED * before.network / one.network,
            f"2 × {need.jobs:.3g}/s × {costs.megabytes:.3g} MB = {need.network:.3g} MB/s, of "
            f"{before.network:.0f} × {FILLED}",
            f"{8 * after.network / 944:.0f} Gbit/s, or S3 from many hosts",
        ),
        Bottleneck(
            "Redis",
            FILLED / (one.jobs * redis) if redis else inf,
            f"{need.jobs:.3g}/s × {1000 * redis:.2f} ms = {need.jobs * redis:.2f} of one thread",
            "Redis on a faster core",
        ),
    ]
    return sorted((one for one in found if one.hours < hours), key=lambda one: one.hours)


def _hours_until(connections: Callable[[Need], int], setup: Setup, costs: Costs) -> float:
    """Return the hours a day at which the connections are exhausted."""
    low, high = 0.0, 1e7
    for _ in range(60):
        middle = (low + high) / 2
        fits = connections(Need(costs, middle)) <= setup.connections - RESERVED_CONNECTIONS
        low, high = (middle, high) if fits else (low, middle)
    return low


def steps(costs: Costs) -> list[tuple[Need, list[Bottleneck], Setup]]:
    """Return each step with what it exceeds of the setup of the step before, and its setup."""
    setup = replace(Setup(), postgres=costs.commits)
    found = []
    for hours in STEPS:
        need = Need(costs, hours)
        exceeded = bottlenecks(need, setup)
        setup = setup_of(need, setup)
        found.append((need, exceeded, setup))
    return found
