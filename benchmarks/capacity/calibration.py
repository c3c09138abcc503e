"""What a process takes for a recording, and how much slower it works when others work too.

All of it is read from runs of their own, in which a fixed number of jobs is always unfinished, and none of it
from the run that the simulation is compared with.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from benchmarks.capacity.driver import Measured
from benchmarks.capacity.simulation import Pool

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the simulation is fed with.

    Attributes:
        base: seconds of service for a recording of no length, alone on the machine.
        per_second: further seconds of service for a second of audio.
        scatter: service of each calibration job, relative to base and length.
        speeds: of each of 1, 2, ... working processes, relative to one alone, while as many recordings are
            uploaded as are worked on.
        quiet_speeds: the same while none is uploaded.
        saturated_rate: recordings a second that were uploaded and worked on at ``speeds``.
        wake_seconds: from arrival to claim by an idle process.
        pause_seconds: from the end of a job to the next claim, while jobs wait.
        grouped_pause_seconds: from the end of a job to the begin of the next of its group.
    """

    base: float
    per_second: float
    scatter: tuple[float, ...]
    speeds: tuple[float, ...]
    quiet_speeds: tuple[float, ...]
    saturated_rate: float
    wake_seconds: float
    pause_seconds: float
    grouped_pause_seconds: float

    def pool(self, rate: float) -> Pool:
        """Return a pool with a process for each speed.

        The API takes its part of the same cores, and goes first. So the speeds fall in proportion to
        ``rate``, the recordings that are uploaded a second.
        """
        share = min(rate / self.saturated_rate, 1.0)
        return Pool(
            len(self.speeds),
            tuple(
                quiet + share * (loud - quiet)
                for quiet, loud in zip(self.quiet_speeds, self.speeds, strict=True)
            ),
            self.wake_seconds,
            self.pause_seconds,
            self.grouped_pause_seconds,
        )

    def works(self, audio_seconds: Floats, dice: np.random.Generator) -> Floats:
        """Draw the service times of recordings, alone on the machine."""
        mean = self.base + self.per_second * audio_seconds
        works: Floats = mean * dice.choice(np.array(self.scatter), len(audio_seconds))
        return works


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs that a calibration is read from.

    Attributes:
        levels: jobs of a run in which 1, 2, ... were always unfinished, one fewer than there are processes.
        saturated: of a run in which three more were unfinished than there are processes, so that every
            process works all the time and claims one job at a time.
        burst: of a run in which all were submitted at once, so that they were claimed in groups.
    """

    levels: Sequence[Sequence[Measured]]
    saturated: Sequence[Measured]
    burst: Sequence[Measured]


def calibrate(runs: Runs, processes: int) -> Calibration:
    """Read all figures from the runs with so many worker processes."""
    alone = runs.levels[0]
    single = [*alone, *runs.saturated] if processes == 1 else alone
    seconds = np.array([job.audio_seconds for job in single])
    services = np.array([job.service for job in single])
    # Weighted, because the scatter grows with the length.
    per_second, base = np.polyfit(seconds, services, 1, w=1 / np.sqrt(seconds))
    scatter = services / (base + per_second * seconds)
    per_second, base = per_second * scatter.mean(), base * scatter.mean()
    speeds = [1.0]
    for level in [*runs.levels[1:processes], runs.saturated][: processes - 1]:
        work = sum(base + per_second * job.audio_seconds for job in level)
        spent = shared_seconds(level, len(speeds) + 1)
        known = sum(speed * time for speed, time in zip(speeds, spent, strict=False))
        speeds.append((work - known) / spent[len(speeds)])
    quiet = _without_uploads(runs.burst, base, per_second, speeds)
    began = min(job.claimed for job in runs.saturated)
    return Calibration(
        float(base),
        float(per_second),
        tuple(float(value) for value in scatter / scatter.mean()),
        tuple(float(speed) for speed in speeds),
        tuple(quiet),
        len(runs.saturated) / (max(job.ended for job in runs.saturated) - began),
        float(np.mean([job.claimed - job.arrived for job in alone])),
        pause_of(runs.saturated, processes),
        _grouped_pause(runs.burst, base, per_second, quiet[-1]),
    )


def _groups(jobs: Sequence[Measured]) -> dict[float, list[Measured]]:
    """Return the jobs that were claimed together, by the time of the claim."""
    groups: dict[float, list[Measured]] = {}
    for job in jobs:
        groups.setdefault(job.claimed, []).append(job)
    return groups


def _without_uploads(
    jobs: Sequence[Measured], base: float, per_second: float, speeds: Sequence[float]
) -> list[float]:
    """Return the speeds that explain a burst: those with uploads, all faster by the same factor."""
    work = sum(base + per_second * job.audio_seconds for job in jobs)
    groups = [replace(group[0], ended=max(job.ended for job in group)) for group in _groups(jobs).values()]
    spent = shared_seconds(groups, len(speeds))

    def faster(factor: float) -> list[float]:
        return [1.0, *(float(min(factor * speed, 1.0)) for speed in speeds[1:])]

    for factor in np.linspace(1.0, 2.0, 201):
        if sum(speed * time for speed, time in zip(faster(factor), spent, strict=True)) >= work:
            break
    return faster(factor)


def _grouped_pause(jobs: Sequence[Measured], base: float, per_second: float, speed: float) -> float:
    """Return the mean pause between jobs of a group: what their service does not explain."""
    unexplained, pauses = 0.0, 0
    for claimed, group in _groups(jobs).items():
        service = sum(base + per_second * job.audio_seconds for job in group) / speed
        unexplained += max(job.ended for job in group) - claimed - service
        pauses += len(group) - 1
    return max(unexplained / pauses, 0.0) if pauses else 0.0


def shared_seconds(jobs: Sequence[Measured], most: int) -> list[float]:
    """Return how long, summed over the jobs, they ran while 1, 2, ... ``most`` processes worked."""
    spent = [0.0] * most
    moments = sorted([(job.claimed, 1) for job in jobs] + [(job.ended, -1) for job in jobs])
    busy, before = 0, moments[0][0]
    for moment, change in moments:
        if busy:
            spent[min(busy, most) - 1] += busy * (moment - before)
        busy, before = busy + change, moment
    return spent


def pause_of(jobs: Sequence[Measured], processes: int) -> float:
    """Return the mean time from the end of a job to the next claim, in a run in which jobs always wait.

    The sum of the pauses does not depend on which claim follows which end.
    """
    claims = sorted(job.claimed for job in jobs)[processes:]
    ends = sorted(job.ended for job in jobs)[: len(claims)]
    return float(np.mean(np.array(claims) - np.array(ends)))


def pooled(calibrations: Iterable[Calibration]) -> Calibration:
    """Return the mean of calibrations with the same number of processes: before and after a run."""
    ones = list(calibrations)
    return Calibration(
        float(np.mean([one.base for one in ones])),
        float(np.mean([one.per_second for one in ones])),
        tuple(value for one in ones for value in one.scatter),
        tuple(float(speed) for speed in np.mean([one.speeds for one in ones], axis=0)),
        tuple(float(speed) for speed in np.mean([one.quiet_speeds for one in ones], axis=0)),
        float(np.mean([one.saturated_rate for one in ones])),
        float(np.mean([one.wake_seconds for one in ones])),
        float(np.mean([one.pause_seconds for one in ones])),
        float(np.mean([one.grouped_pause_seconds for one in ones])),
    )
