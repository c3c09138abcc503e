"""No statement gets slower with the number of jobs that have finished, and few with the number that wait.

Each case of `tests.jobs.query_cases` runs on four databases: with few jobs, with many finished ones, with
a long queue, and with both. The database tells what each statement reads: see `tests.jobs.statement_costs`.
"""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import make_url

from migrations.schema import upgrade
from shared import jobs, webhooks
from shared.database import Database
from shared.files import FolderStore
from tests.jobs.many_jobs import add_finished, add_queued
from tests.jobs.query_cases import CASES, FINISHED, QUEUED, Case, Stage
from tests.jobs.statement_costs import StatementCost, measured
from tests.reused_database import ReusedDatabase

FEW = {FINISHED: 3_000, QUEUED: 200}
MANY = {FINISHED: 15_000, QUEUED: 3_000}
BOTH = "finished and queued jobs"  # in the table the queued ones lie behind the finished ones
# Work that may be more in the larger database: deeper indexes, another plan for a small table.
MORE_BY = 1.5
MORE = {"sqlite": 1_000, "postgres": 250}
MORE_OF_BOTH = 1_000  # where the queue of a tenant is short, Postgres sorts all of it for a page


@dataclass(frozen=True, slots=True)
class Stages:
    """Databases of one kind: with few jobs, and with many that have finished or that wait."""

    kind: str
    few: Stage
    many: Mapping[str, Stage]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def stages(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    """Databases with few and with many jobs."""
    folder = tmp_path_factory.mktemp("many-jobs")
    databases: list[Database] = []
    copies: list[ReusedDatabase] = []

    def made(name: str, numbers: Mapping[str, int]) -> Stage:
        if request.param == "sqlite":
            url = f"sqlite:///{folder}/{name}.db"
        else:
            copies.append(ReusedDatabase(*_postgres(request), name))
            url = copies[-1].url.render_as_string(hide_password=False)
        databases.append(database := Database(url))
        upgrade(database)
        for _ in add_finished(database, numbers[FINISHED]):
            pass
        add_queued(database, numbers[QUEUED])
        return Stage(database, FolderStore(folder / name))

    few = made("few_jobs", FEW)
    many = {what: made(f"many_{what.split()[0]}", FEW | {what: MANY[what]}) for what in FEW}
    many[BOTH] = made("many_both", MANY)
    yield Stages(request.param, few, many)
    for database in databases:
        database.close()
    for copy in copies:
        copy.close()


def _postgres(request: pytest.FixtureRequest) -> tuple[Any, str]:
    server = make_url(request.getfixturevalue("postgres_server"))
    return server, request.getfixturevalue("_postgres_template")


@pytest.mark.parametrize("what", [*FEW, BOTH], ids=lambda what: what.replace(" ", "_"))
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "_"))
def test_it_takes_no_longer_with_more(stages: Stages, case: Case, what: str) -> None:
    if what in case.grows_with or (what == BOTH and case.grows_with):
        return
    more = max(MORE[stages.kind], MORE_OF_BOTH) if what == BOTH else MORE[stages.kind]
    small, large = _costs(case, stages.few), _costs(case, stages.many[what])
    grown = [
        f"{before:,} -> {cost.work:,}: {sql}\nPlan: {cost.plan}"
        for sql, cost in large.items()
        if cost.work > MORE_BY * (before := small[sql].work if sql in small else 0) + more
    ]
    scans = [
        f"It scans {', '.join(sorted(cost.scanned))}: {sql}\nPlan: {cost.plan}"
        for sql, cost in large.items()
        if cost.scanned and what == FINISHED
    ]
    assert not grown + scans, "\n\n".join(grown + scans)


def _costs(case: Case, stage: Stage) -> dict[str, StatementCost]:
    """The most expensive execution of each kind of statement."""
    with measured(stage.database) as costs:
        case.run(stage)
    assert costs, "it has no statement"
    return {cost.kind: cost for cost in sorted(costs, key=lambda cost: cost.work)}


@pytest.mark.parametrize("package", [jobs, webhooks], ids=["jobs", "webhooks"])
def test_all_are_here(package: ModuleType) -> None:
    """A new verb or query of these packages needs a case."""
    functions = {name: getattr(package, name) for name in package.__all__}
    with_sql = {
        name
        for name, one in functions.items()
        if inspect.isfunction(one) and {"session", "database"} & set(inspect.signature(one).parameters)
    }
    covered = {getattr(function, "__name__", "") for case in CASES for function in case.functions}
    assert with_sql - covered == set()
