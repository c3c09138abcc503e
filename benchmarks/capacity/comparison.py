"""The simulation beside a measured run, with the same arrivals and recordings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.capacity.calibration import Calibration, Floats
from benchmarks.capacity.driver import Measured
from benchmarks.capacity.simulation import SHORT_BYTES, Arrival, Outcome, simulate

QUANTILES = 101

REPETITIONS = 40
"""Simulations of a run. They differ in which scatter each recording draws."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure as measured, and the mean of the simulations with the range of nine tenths of them."""

    name: str
    measured: float
    simulated: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """Difference of the simulation, relative to the measured figure."""
        return self.simulated / self.measured - 1.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Figures of a run, and quantiles from 0 to 1 of its waits in seconds, measured and simulated."""

    figures: list[Figure]
    measured_waits: list[float]
    simulated_waits: list[float]


def simulated(
    jobs: Sequence[Measured], calibration: Calibration, rate: float, seed: int = 1
) -> list[Outcome]:
    """Simulate a run several times, with its arrivals and recordings, uploaded at a mean rate."""
    dice = np.random.default_rng(seed)
    began = min(job.arrived for job in jobs)
    seconds = np.array([job.audio_seconds for job in jobs])
    pool = calibration.pool(rate)
    outcomes = []
    for _ in range(REPETITIONS):
        works = calibration.works(seconds, dice)
        arrivals = [
            Arrival(job.arrived - began, work, job.file_bytes <= SHORT_BYTES)
            for job, work in zip(jobs, works, strict=True)
        ]
        outcomes.append(simulate(arrivals, pool))
    return outcomes


def compared(jobs: Sequence[Measured], calibration: Calibration, *, burst: bool) -> Comparison:
    """Compare a run with its simulations: waits and results of arrivals over time, or the end of a burst."""
    arrived = [job.arrived for job in jobs]
    rate = 0.0 if burst else len(jobs) / (max(arrived) - min(arrived))
    outcomes = simulated(jobs, calibration, rate)
    measured = Outcome(
        np.array([job.arrived for job in jobs]),
        np.array([job.claimed for job in jobs]),
        np.array([job.ended for job in jobs]),
        0.0,
    )
    figures = _figures(measured, burst)
    of_each = [_figures(outcome, burst) for outcome in outcomes]
    rows = []
    for name, value in figures.items():
        values = np.array([one[name] for one in of_each])
        low, high = np.quantile(values, (0.05, 0.95))
        rows.append(Figure(name, value, float(values.mean()), float(low), float(high)))
    waits = np.concatenate([outcome.waits for outcome in outcomes])
    return Comparison(rows, _quantiles(measured.waits), _quantiles(waits))


def _figures(outcome: Outcome, burst: bool) -> dict[str, float]:
    if burst:
        return {
            "until the last result, s": outcome.makespan,
            "mean time to result, s": float(outcome.responses.mean()),
            "jobs a second": len(outcome.ended) / outcome.makespan,
        }
    return {
        "mean wait, s": float(outcome.waits.mean()),
        "p95 of the wait, s": float(np.quantile(outcome.waits, 0.95)),
        "mean time to result, s": float(outcome.responses.mean()),
        "p95 of the time to result, s": float(np.quantile(outcome.responses, 0.95)),
    }


def _quantiles(values: Floats) -> list[float]:
    return [round(float(value), 4) for value in np.quantile(values, np.linspace(0, 1, QUANTILES))]
