"""The calibration finds what a run was made with, and the documents hold what the measurements say."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.capacity import prices
from benchmarks.capacity.__main__ import DATA, DOCUMENT
from benchmarks.capacity.arrivals import ARCHIVE, CALLS, MIXES
from benchmarks.capacity.calibration import Calibration, Runs, calibrate, shared_seconds
from benchmarks.capacity.comparison import compared
from benchmarks.capacity.driver import Measured
from benchmarks.capacity.plan import Costs, Need, Setup, bottlenecks, setup_of, steps
from benchmarks.capacity.record import Record, blocks, read, write
from benchmarks.capacity.simulation import Arrival, Pool, simulate
from benchmarks.capacity.tables import plan_tables, record_tables
from tests.conftest import ROOT

RECORD = ROOT / "docs" / "records" / "2026-11-29-capacity.md"
BASE, PER_SECOND = 0.05, 0.03
POOL = Pool(3, (1.0, 0.9, 0.6), wake_seconds=0.012, pause_seconds=0.02, grouped_pause_seconds=0.008)


def lengths(number: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice([3.0, 4.0, 6.0, 20.0], number, p=[0.3, 0.3, 0.3, 0.1])


def run(pool: Pool, times: Sequence[float], seconds: np.ndarray) -> list[Measured]:
    """Let a simulated service work on recordings whose service has a scatter of a tenth."""
    scatter = np.random.default_rng(len(times)).uniform(0.83, 1.17, len(times))
    works = (BASE + PER_SECOND * seconds) * scatter
    jobs = [Arrival(at, work) for at, work in zip(times, works, strict=True)]
    outcome = simulate(jobs, pool)
    rows = zip(seconds, outcome.arrived, outcome.claimed, outcome.ended, strict=True)
    return [Measured(float(one), 1000, *map(float, row)) for one, *row in rows]


def kept_busy(pool: Pool, outstanding: int, number: int) -> list[Measured]:
    """Run with so many jobs always unfinished: each arrives when an earlier one has ended."""
    seconds = lengths(number, outstanding)
    times = [0.0] * outstanding
    while len(times) < number:
        # The ends up to now do not depend on what arrives later.
        jobs = run_prefix(pool, times, seconds)
        times.append(sorted(job.ended for job in jobs)[len(times) - outstanding])
    return run_prefix(pool, times, seconds)[: number - outstanding]


def run_prefix(pool: Pool, times: list[float], seconds: np.ndarray) -> list[Measured]:
    scatter = np.random.default_rng(5).uniform(0.83, 1.17, len(seconds))
    works = ((BASE + PER_SECOND * seconds) * scatter)[: len(times)]
    outcome = simulate([Arrival(at, work) for at, work in zip(times, works, strict=True)], pool)
    rows = zip(seconds, outcome.arrived, outcome.claimed, outcome.ended, strict=False)
    return [Measured(float(one), 1000, *map(float, row)) for one, *row in rows]


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    levels = [kept_busy(POOL, outstanding, 150) for outstanding in (1, 2)]
    return calibrate(Runs(levels, kept_busy(POOL, 6, 200), run(POOL, [0.0] * 300, lengths(300, 9))), 3)


def test_the_calibration_finds_the_figures_of_a_run(calibration: Calibration) -> None:
    assert calibration.base == pytest.approx(BASE, rel=0.1)
    assert calibration.per_second == pytest.approx(PER_SECOND, rel=0.03)
    assert calibration.speeds == pytest.approx(POOL.speeds, rel=0.03)
    assert calibration.wake_seconds == pytest.approx(POOL.wake_seconds, rel=0.01)
    assert calibration.pause_seconds == pytest.approx(POOL.pause_seconds, rel=0.01)
    assert calibration.grouped_pause_seconds == pytest.approx(POOL.grouped_pause_seconds, abs=0.008)
    assert np.std(calibration.scatter) == pytest.approx(0.17 / 3**0.5, rel=0.15)


def test_a_calibrated_simulation_is_near_the_run_that_it_did_not_see(calibration: Calibration) -> None:
    dice = np.random.default_rng(21)
    times = np.sort(dice.uniform(0.0, 60.0, 420)).tolist()
    found = compared(run(POOL, times, lengths(420, 22)), calibration, burst=False)
    for figure in found.figures:
        assert figure.measured == pytest.approx(figure.simulated, rel=0.1), figure
        assert figure.error == pytest.approx(figure.simulated / figure.measured - 1)
    burst = compared(run(POOL, [0.0] * 200, lengths(200, 23)), calibration, burst=True)
    assert all(abs(figure.error) < 0.05 for figure in burst.figures)
    assert found.measured_waits[50] == pytest.approx(found.simulated_waits[50], abs=0.05)


def test_time_is_counted_by_how_many_work() -> None:
    jobs = [Measured(1.0, 1, 0.0, 0.0, 3.0), Measured(1.0, 1, 0.0, 1.0, 2.0)]
    assert shared_seconds(jobs, 2) == pytest.approx([2.0, 2.0])


@pytest.fixture(scope="module")
def record() -> Record:
    return read(DATA)


def test_the_plan_holds_what_the_measurements_say(record: Record) -> None:
    assert blocks(DOCUMENT) == plan_tables(record)


def test_the_record_holds_what_was_measured(record: Record) -> None:
    assert blocks(RECORD) == record_tables(record)


@pytest.mark.parametrize("mix", MIXES)
def test_every_step_gets_what_it_needs(record: Record, mix: object) -> None:
    costs = Costs(record, CALLS if mix is CALLS else ARCHIVE)
    for need, exceeded, setup in steps(costs):
        assert need.busy <= setup.cores
        assert need.connections(need.cores) <= setup.connections
        assert need.network <= setup.network
        assert all(one.hours < need.hours for one in exceeded)
        assert bottlenecks(need, setup) == []


def test_a_load_ten_times_as_large_needs_ten_times_as_much(record: Record) -> None:
    costs = Costs(record, ARCHIVE)
    small, large = Need(costs, 1_000), Need(costs, 10_000)
    for resource in ("jobs", "busy", "api", "commits", "network", "stored", "database"):
        assert getattr(large, resource) == pytest.approx(10 * getattr(small, resource)), resource
    assert small.network == pytest.approx(2 * 1_000 * 115 / 86_400)
    assert small.jobs == pytest.approx(2_000 / 86_400)


def test_the_cost_is_the_sum_of_its_parts(record: Record) -> None:
    need = Need(Costs(record, ARCHIVE), 1_000)
    setup = setup_of(need, Setup(postgres=need.costs.commits))
    cost = prices.cost_of(need, setup, prices.Prices(core_hour=1.0, file_month=0.0, database_month=0.0))
    assert cost.total == pytest.approx(cost.core_hours)
    assert cost.core_hours == pytest.approx((need.cores + 1 + 2 + 1) * 24 / 1_000)
    files = prices.cost_of(need, setup, prices.Prices(0.0, 1.0, 0.0))
    assert files.total == pytest.approx(0.115 * 30 / 30.4)


def test_a_document_without_the_block_is_refused(tmp_path: Path) -> None:
    document = tmp_path / "a.md"
    document.write_text("<!-- one -->\nold\n<!-- end of one -->\n")
    write(document, {"one": "new \\1"})
    assert blocks(document) == {"one": "new \\1"}
    with pytest.raises(SystemExit, match="two"):
        write(document, {"two": ""})
