"""``make bench-million``: what the service asks of Postgres, with 10,000 jobs and with 1,000,000.

``statements``: each verb and query of the service, with the slowest statement of it, the rows that it reads
and its plan. ``retention``: claims and polls while old jobs are erased. ``migrations``: the longest that a
read and a write wait while the schema is upgraded. On a real Postgres that starts by itself.
``--record FILE`` writes the tables as Markdown.
"""

import argparse
import logging
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError

from benchmarks.growth import postgres
from migrations.schema import upgrade
from shared import jobs
from shared.database import Database
from shared.files import FolderStore
from tests.jobs.many_jobs import add_finished, add_queued
from tests.jobs.query_cases import CASES, Case, Stage
from tests.jobs.statement_costs import measured
from worker.retention import Retention

FEW, MANY = 10_000, 1_000_000
QUEUED = 10_000
TURNS = 5
LEASE = timedelta(minutes=1)
OWNER = "benchmark"
ERASED = 50_000
SLOW_MS = 20.0
"""Plans are shown of the statements that take longer, and of the cases that begin like this."""
SHOWN = ("claim", "submit", "poll", "work_on", "pages_of_jobs", "look_after", "erase_expired")
PARTS = ("statements", "retention", "migrations")

console = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Slowest:
    """The slowest statement of a case: its text, milliseconds, rows read and plan."""

    sql: str
    ms: float
    rows: int
    plan: str
    scanned: frozenset[str]


@contextmanager
def filled(server: str, name: str, finished: int, revision: str = "head") -> Iterator[Database]:
    """Yield a database with so many finished jobs, and the queued ones."""
    maintenance = create_engine(server, isolation_level="AUTOCOMMIT")
    with maintenance.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    maintenance.dispose()
    url = make_url(server).set(database=name).render_as_string(hide_password=False)
    with closing(Database(url)) as database:
        upgrade(database, revision)
        with Progress(console=console) as progress:
            task = progress.add_task(f"{finished:,} jobs", total=finished)
            for done in add_finished(database, finished):
                progress.update(task, completed=done)
        add_queued(database, QUEUED)
        yield database


# Statements


def statements(server: str, folder: Path, many: int) -> list[str]:
    """Time every case with few and with many jobs."""
    found: list[dict[str, Slowest]] = []
    for name, count in (("few", FEW), ("many", many)):
        with filled(server, name, count) as database:
            stage = Stage(database, FolderStore(folder / name))
            with Progress(console=console) as progress:
                task = progress.add_task(f"cases with {count:,} jobs", total=len(CASES))
                of_size: dict[str, Slowest] = {}
                for one in CASES:
                    of_size[one.name] = _slowest(one, stage)
                    progress.advance(task)
                found.append(of_size)
    return _table_of_statements(found[0], found[1], many)


def _slowest(case: Case, stage: Stage) -> Slowest:
    case.run(stage)
    runs: list[list[tuple[str, float]]] = []
    for _ in range(TURNS):
        with _timed(stage.database) as spent:
            case.run(stage)
        runs.append(spent)
    with measured(stage.database) as costs:
        case.run(stage)
    times: dict[str, float] = {}
    for sql in {sql for run in runs for sql, _ in run}:
        times[sql] = statistics.median(
            max((ms for other, ms in run if other == sql), default=0.0) for run in runs
        )
    sql = max(times, key=times.__getitem__, default="")
    cost = next((cost for cost in costs if cost.sql == sql), None)
    rows, plan, scanned = (0, "", set[str]()) if cost is None else (cost.work, cost.plan, cost.scanned)
    return Slowest(sql, times.get(sql, 0.0), rows, plan, frozenset(scanned))


@contextmanager
def _timed(database: Database) -> Iterator[list[tuple[str, float]]]:
    """Collect each statement with its milliseconds."""
    spent: list[tuple[str, float]] = []
    began: list[float] = []

    def before(*_: Any) -> None:
        began.append(time.perf_counter())

    def after(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        spent.append((sql, 1000 * (time.perf_counter() - began.pop())))

    event.listen(database.engine, "before_cursor_execute", before)
    event.listen(database.engine, "after_cursor_execute", after)
    try:
        yield spent
    finally:
        event.remove(database.engine, "before_cursor_execute", before)
        event.remove(database.engine, "after_cursor_execute", after)


def _table_of_statements(few: dict[str, Slowest], many: dict[str, Slowest], count: int) -> list[str]:
    lines = [
        f"| what | ms, {FEW:,} jobs | ms, {count:,} | rows read, {FEW:,} | rows read, {count:,} | scanned |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in sorted(many.items(), key=lambda item: -item[1].ms):
        small = few[name]
        scans = ", ".join(sorted(one.scanned)) or "none"
        lines.append(f"| {name} | {small.ms:.1f} | {one.ms:.1f} | {small.rows:,} | {one.rows:,} | {scans} |")
    lines += ["", "Plans:", ""]
    for name, one in many.items():
        if one.plan and (one.ms > SLOW_MS or name.startswith(SHOWN)):
            lines.append(f"- {name} ({one.ms:.1f} ms): `{one.plan}`")
    return lines


# Retention


def retention(server: str, folder: Path, many: int) -> list[str]:
    """Claim and poll alone, and while the sweeper erases old jobs."""
    with filled(server, "retention", many) as database:
        alone = _latencies(database, lambda: False, 10.0)
        oldest = timedelta(seconds=many - ERASED)  # the jobs ended a second after each other
        retention = Retention(database, FolderStore(folder / "files"), oldest.total_seconds() / 86_400)
        erased, seconds, over = 0, 0.0, threading.Event()

        def erase() -> None:
            nonlocal erased, seconds
            began = time.perf_counter()
            while count := retention.erase_expired():
                erased += count
            seconds = time.perf_counter() - began
            over.set()

        thread = threading.Thread(target=erase)
        thread.start()
        meanwhile = _latencies(database, over.is_set, 600.0)
        thread.join()
    lines = [
        f"{erased:,} jobs, with all that they have, in {seconds:.0f} s: {erased / seconds:,.0f} a second.",
        "",
        "| what | p50 ms alone | p99 | worst | p50 ms while erasing | p99 | worst |",
        "|---|---|---|---|---|---|---|",
    ]
    for what in alone:
        cells = [f"{value:.1f}" for times in (alone[what], meanwhile[what]) for value in _percentiles(times)]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return lines


def _latencies(database: Database, is_over: Callable[[], bool], seconds: float) -> dict[str, list[float]]:
    """Claim, release and poll in turn; return the milliseconds of each."""
    times: dict[str, list[float]] = {"claim": [], "poll": []}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not is_over():
        began = time.perf_counter()
        with database.write() as session:
            job = jobs.claim(session, OWNER, LEASE)
        times["claim"].append(1000 * (time.perf_counter() - began))
        assert job is not None
        began = time.perf_counter()
        jobs.read_job(database, job.id)
        times["poll"].append(1000 * (time.perf_counter() - began))
        with database.write() as session:
            jobs.release(session, job, owner=OWNER)
        time.sleep(0.002)
    return times


def _percentiles(times: Sequence[float]) -> tuple[float, float, float]:
    ordered = sorted(times)
    return ordered[len(ordered) // 2], ordered[int(0.99 * (len(ordered) - 1))], ordered[-1]


# Migrations


def migrations(server: str, _folder: Path, many: int) -> list[str]:
    """Upgrade from an earlier revision while another client reads and writes the table of jobs."""
    with filled(server, "migrations", many, revision="0010") as database:
        waits: dict[str, list[float]] = {"read": [], "write": []}
        over = threading.Event()
        looks = {
            "read": "SELECT status FROM jobs WHERE id = '00000000-0000-0000-0000-000000000007'",
            "write": "UPDATE jobs SET progress = progress WHERE id = '00000000-0000-0000-0000-000000000007'",
        }

        def look(what: str) -> None:
            engine = create_engine(database.engine.url)
            while not over.is_set():
                began = time.perf_counter()
                with suppress(DBAPIError), engine.begin() as connection:
                    connection.execute(text(looks[what]))
                waits[what].append(1000 * (time.perf_counter() - began))
                time.sleep(0.005)
            engine.dispose()

        threads = [threading.Thread(target=look, args=(what,)) for what in looks]
        for thread in threads:
            thread.start()
        began = time.perf_counter()
        upgrade(database)
        seconds = time.perf_counter() - began
        over.set()
        for thread in threads:
            thread.join()
    lines = [
        f"From 0010 to the newest in {seconds:.1f} s.",
        "",
        "| what | p50 ms | p99 | longest wait |",
        "|---|---|---|---|",
    ]
    for what, times in waits.items():
        cells = " | ".join(f"{value:.1f}" for value in _percentiles(times))
        lines.append(f"| {what} of a job | {cells} |")
    return lines


def main() -> None:
    """Measure, print Markdown, and write it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)} (default all)")
    parser.add_argument("--jobs", type=int, default=MANY, help=f"how many are many (default {MANY:,})")
    parser.add_argument("--quick", action="store_true", help=f"{5 * FEW:,} jobs: does it run?")
    parser.add_argument("--record", type=Path, help="write the tables to this file")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    many = 5 * FEW if arguments.quick else arguments.jobs
    run = {"statements": statements, "retention": retention, "migrations": migrations}
    lines: list[str] = []
    for part in arguments.parts or PARTS:
        if part not in run:
            parser.error(f"{part} is none of {', '.join(PARTS)}")
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, postgres(Path(folder)) as server:
            lines += [f"## {part.capitalize()}", "", *run[part](server, Path(folder), many), ""]
    report = "\n".join(lines)
    sys.stdout.write(report)
    if arguments.record:
        arguments.record.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    main()
