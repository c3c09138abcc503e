"""The measured run: the service with 1, 2 and 3 worker processes, each calibrated before and after."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks.capacity import driver
from benchmarks.capacity.arrivals import poisson
from benchmarks.capacity.calibration import Calibration, Runs, calibrate, pooled
from benchmarks.capacity.comparison import Comparison, compared
from benchmarks.capacity.driver import Measured, OnEnd
from benchmarks.capacity.service import Service, Usage, running
from benchmarks.capacity.workload import drawn, recordings
from benchmarks.raw_http import connected, get, upload

JOINED = 12
LARGE_BYTES = 20_000_000
LARGE_UPLOADS = 5
REST_SECONDS = 0.05
"""Between two recordings that are submitted one at a time."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured.

    Attributes:
        seconds: of arrivals for each number of processes.
        load: arrivals relative to what the processes can do.
        burst: recordings that are submitted at once.
        alone: recordings of a calibration, one at a time, enough for each clip once; 6 in 10 of it for each
            process that shares.
        longer: share of recordings of 12 to 30 seconds; the others are clips.
    """

    seconds: float = 65.0
    load: float = 0.65
    burst: int = 200
    alone: int = 46
    longer: float = 0.1


@dataclass(frozen=True, slots=True)
class Round:
    """What was found with a number of processes.

    Attributes:
        rate: arrivals a second.
        foreign: largest part of all cores that other programs used, in any of the runs.
        drift: the service time of the calibration after the run, relative to that before it, less one.
        arrivals: use of the machine while recordings arrived, in all and by kind of process.
    """

    processes: int
    rate: float
    foreign: float
    drift: float
    calibration: Calibration
    over_time: Comparison
    burst: Comparison
    jobs: int
    audio_seconds: float
    arrivals: Usage


class Bench:
    """Runs jobs on a service and keeps account of other programs."""

    def __init__(self, service: Service, folder: Path, extent: Extent, on_end: OnEnd) -> None:
        self._service = service
        self._clips, self._longer = recordings(folder, JOINED)
        self._extent = extent
        self._on_end = on_end
        self._seed = 0
        self.foreign = 0.0

    def draw(self, number: int) -> list[Path]:
        """Draw recordings, others at each call."""
        self._seed += 1
        return drawn(self._clips, self._longer, self._extent.longer, number, self._seed)

    def always(self, number: int, outstanding: int, rest: float = 0.0) -> list[Measured]:
        """Run so many recordings, of which ``outstanding`` are always unfinished."""
        paths = self.draw(number + outstanding)
        return self._run(driver.at_most(self._service, paths, outstanding, self._on_end, rest))[0]

    def at_times(self, times: list[float]) -> tuple[list[Measured], Usage]:
        """Submit recordings at times."""
        paths = self.draw(len(times))
        return self._run(driver.at_times(self._service, paths, times, self._on_end))

    def mean_seconds(self) -> float:
        """Return the mean length of what is drawn."""
        clips, longer = (
            np.mean([soundfile.info(path).duration for path in paths])
            for paths in (self._clips, self._longer)
        )
        return float(clips + (longer - clips) * self._extent.longer)

    def calibration(self, processes: int, burst: int) -> Calibration:
        """Calibrate with all numbers of busy processes, and with ``burst`` recordings at once."""
        alone = self._extent.alone
        more = round(0.6 * alone)
        levels = [self.always(alone, 1, REST_SECONDS)]
        levels += [self.always(more * busy, busy) for busy in range(2, processes)]
        saturated = self.always(more * processes, processes + 3)
        at_once, _ = self.at_times([0.0] * burst)
        return calibrate(Runs(levels, saturated, at_once), processes)

    def _run(self, run: Coroutine[Any, Any, list[Measured]]) -> tuple[list[Measured], Usage]:
        before = self._service.usage()
        jobs = asyncio.run(run)
        used = self._service.usage() - before
        self.foreign = max(self.foreign, used.foreign)
        return jobs, used


def measured(processes: int, folder: Path, extent: Extent, say: Callable[[str], OnEnd]) -> Round:
    """Measure with a number of processes.

    Args:
        say: called with the name of a step; returns what to call at the end of each job.
    """
    with running(folder, processes) as service:
        bench = Bench(service, folder / "recordings", extent, say(f"{processes}: service"))
        bench.always(4 * processes, processes)  # warms the caches of the processes
        bench.foreign = 0.0
        before = bench.calibration(processes, extent.alone // 2 * processes)
        mean = before.base + before.per_second * bench.mean_seconds()
        speed = before.pool(extent.load * before.saturated_rate).speeds[-1]
        capacity = processes * speed / (mean + before.pause_seconds)
        rate = extent.load * capacity
        times = poisson(rate, extent.seconds, np.random.default_rng(processes))
        jobs, used = bench.at_times(times.tolist())
        # The more wait, the larger the groups, and the less do claims cost: only a burst as large as that
        # which is simulated tells how fast one is worked on.
        after = bench.calibration(processes, extent.burst)
        both = replace(
            pooled((before, after)),
            quiet_speeds=after.quiet_speeds,
            grouped_pause_seconds=after.grouped_pause_seconds,
        )
        burst, _ = bench.at_times([0.0] * extent.burst)
        return Round(
            processes,
            rate,
            bench.foreign,
            after.per_second / before.per_second - 1.0,
            both,
            compared(jobs, both, burst=False),
            compared(burst, both, burst=True),
            len(jobs),
            sum(job.audio_seconds for job in jobs),
            used,
        )


@dataclass(frozen=True, slots=True)
class ApiCosts:
    """CPU time of the API process in milliseconds.

    Attributes:
        submit: an upload of a clip.
        read: status, transcript and picture of a job, once each.
        megabyte: each further megabyte of an upload.
    """

    submit: float
    read: float
    megabyte: float


def api_costs(folder: Path, uploads: int, say: Callable[[str], OnEnd]) -> ApiCosts:
    """Measure what requests cost, on a service of its own."""
    with running(folder, 1) as service:
        say("API")
        clips, _ = recordings(folder / "recordings", 1)
        large = folder / "large.wav"
        large.write_bytes(np.random.default_rng(1).bytes(LARGE_BYTES))  # refused by the worker at once

        def cost(requests: list[bytes]) -> tuple[float, list[bytes]]:
            before = service.usage()
            answers = asyncio.run(_answers(service.url, requests))
            used = service.usage() - before
            return 1000 * used.cpu_seconds["api"] / len(requests), answers

        clip = upload("/v1/jobs", clips[0])
        cost([clip] * 5)
        asyncio.run(driver.all_ended(service))
        submit, answers = cost([clip] * uploads)
        asyncio.run(driver.all_ended(service))
        ids = [driver.id_of(answer) for answer in answers]
        paths = [f"/v1/jobs/{one}{part}" for one in ids for part in ("", "/transcript", "/waveform.png")]
        read, _ = cost([get(path) for path in paths])
        big, _ = cost([upload("/v1/jobs", large)] * LARGE_UPLOADS)
        asyncio.run(driver.all_ended(service))
        return ApiCosts(submit, 3 * read, (big - submit) / (LARGE_BYTES / 1e6))


async def _answers(url: str, requests: list[bytes]) -> list[bytes]:
    bodies = []
    async with connected(url) as connection:
        for request in requests:
            answer = await connection.send(request)
            if answer.status >= 300:
                raise SystemExit(f"The service answered {answer.status}: {answer.body.decode()}")
            bodies.append(answer.body)
    return bodies


def document(round_: Round) -> dict[str, Any]:
    """Return a round as JSON."""
    return asdict(round_)
