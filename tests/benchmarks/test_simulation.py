"""The simulation of the queue agrees with what is known of queues, and groups jobs as the service does."""

from datetime import timedelta
from math import factorial

import numpy as np
import pytest

from benchmarks.capacity.arrivals import CALLS, OFFICE, by_hours, poisson
from benchmarks.capacity.simulation import SHORT_BYTES, Arrival, Outcome, Pool, simulate
from shared.database import Database
from shared.jobs import attempts, claim_group, submit
from tests.shared.conftest import make_job

JOBS = 150_000


def erlang_c(servers: int, load: float) -> float:
    """Probability that an arrival waits in M/M/c; ``load`` is the arrival rate times the mean service."""
    waits = load**servers / factorial(servers) * servers / (servers - load)
    return waits / (sum(load**busy / factorial(busy) for busy in range(servers)) + waits)


def run(pool: Pool, rate: float, works: np.ndarray, seed: int = 7) -> Outcome:
    dice = np.random.default_rng(seed)
    times = np.cumsum(dice.exponential(1 / rate, len(works)))
    return simulate([Arrival(at, work) for at, work in zip(times, works, strict=True)], pool)


@pytest.mark.parametrize(("servers", "utilisation"), [(1, 0.5), (2, 0.7), (3, 0.6), (8, 0.7)])
def test_mean_wait_is_that_of_erlang(servers: int, utilisation: float) -> None:
    works = np.random.default_rng(1).exponential(1.0, JOBS)
    outcome = run(Pool.of_cores(servers, servers), servers * utilisation, works)
    load = servers * utilisation
    assert outcome.waits.mean() == pytest.approx(erlang_c(servers, load) / (servers - load), rel=0.03)
    assert outcome.busy_seconds / (servers * outcome.makespan) == pytest.approx(utilisation, rel=0.02)


def test_mean_wait_of_constant_service_is_half_that_of_exponential() -> None:
    outcome = run(Pool.of_cores(1, 1), 0.6, np.ones(JOBS))
    assert outcome.waits.mean() == pytest.approx(0.6 / (2 * 0.4), rel=0.03)  # Pollaczek and Khinchine


@pytest.mark.parametrize("spread", [0.0, 1.2])
def test_processor_sharing_does_not_depend_on_how_service_is_distributed(spread: float) -> None:
    works = np.random.default_rng(3).lognormal(-(spread**2) / 2, spread, JOBS)
    outcome = run(Pool.of_cores(200, 1), 0.5, works)
    assert outcome.responses.mean() == pytest.approx(works.mean() / (1 - 0.5 * works.mean()), rel=0.03)
    small = works < np.quantile(works, 0.5) if spread else np.ones(JOBS, bool)
    assert (outcome.responses[small] / works[small]).mean() == pytest.approx(2.0, rel=0.03)


def test_more_processes_than_cores_take_turns() -> None:
    pool = Pool.of_cores(3, 2)
    outcome = simulate([Arrival(0.0, 2.0), Arrival(0.0, 2.0), Arrival(0.0, 4.0)], pool)
    assert outcome.ended == pytest.approx([3.0, 3.0, 5.0])
    assert outcome.busy_seconds == pytest.approx(11.0)


def test_a_speed_beyond_the_measured_ones_divides_the_last_total() -> None:
    assert Pool(4, (1.0, 0.8)).speed(4) == pytest.approx(0.4)


def test_latencies_delay_claims() -> None:
    pool = Pool(1, wake_seconds=0.5, pause_seconds=0.25, grouped_at_most=1)
    outcome = simulate([Arrival(0.0, 1.0), Arrival(0.2, 1.0), Arrival(9.0, 1.0)], pool)
    assert outcome.claimed == pytest.approx([0.5, 1.75, 9.5])


def test_groups_are_those_of_the_service(database: Database) -> None:
    sizes = [1] * 30 + [SHORT_BYTES + 1] + [1] * 5
    expected: list[int] = []
    with database.write() as session:
        submit(session, *(make_job(file_bytes=size) for size in sizes))
        while group := claim_group(session, "worker", timedelta(minutes=1), workers=2):
            expected.append(len(group))
    jobs = [Arrival(0.0, 1 + number / 1000, size <= SHORT_BYTES) for number, size in enumerate(sizes)]
    claimed = simulate(jobs, Pool(2, (1.0, 1.0), wake_seconds=0.5)).claimed
    groups = np.unique(claimed, return_counts=True)[1]
    assert list(groups) == [expected[0] + expected[1], *expected[2:]]  # at first both look at the same moment
    assert (Pool(1).grouped_at_most, SHORT_BYTES) == (attempts.GROUPED_AT_MOST, attempts.SHORT_BYTES)


def test_a_higher_priority_goes_first() -> None:
    jobs = [Arrival(0.0, 1.0), Arrival(0.1, 1.0), Arrival(0.2, 1.0, priority=0)]
    assert simulate(jobs, Pool.of_cores(1, 1)).claimed == pytest.approx([0.0, 2.0, 1.0])


def test_arrivals_follow_the_rate_and_the_hours() -> None:
    dice = np.random.default_rng(5)
    assert len(poisson(20.0, 1000.0, dice)) == pytest.approx(20_000, rel=0.03)
    times = by_hours(1.0, CALLS.hours, dice)
    assert (np.diff(times) >= 0).all()
    counts = np.histogram(times, bins=24, range=(0, 86_400))[0]
    assert counts[11] / counts.sum() == pytest.approx(OFFICE[11] / sum(OFFICE), rel=0.05)
    assert CALLS.lengths(100_000, dice).mean() == pytest.approx(CALLS.seconds, rel=0.03)
