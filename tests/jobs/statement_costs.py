"""What the database does for each statement: the rows that it reads and sorts, and its plan.

Postgres tells it by EXPLAIN ANALYZE in a savepoint that is rolled back. SQLite counts the steps of its
virtual machine, a few for each row that it passes over and more for each that it returns, and tells the plan
by EXPLAIN QUERY PLAN. So the costs of one kind of database do not compare with those of the other.
"""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, event

from shared.database import Database

COUNT_EVERY_STEPS = 10
LARGE_TABLES = frozenset(("jobs", "job_events", "segments", "waveforms"))
LIST = re.compile(r"\((?:(?:%\(\w+\)s(?:::\w+)?|\?)(?:, )?)+\)")
CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA", "EXPLAIN", "SET ", "SHOW ")


@dataclass(slots=True)
class StatementCost:
    """A statement and its cost.

    Attributes:
        sql: the statement.
        work: rows that it read, also those that it filtered away; on SQLite steps.
        scanned: large tables that Postgres read from beginning to end without an index.
        plan: in the words of the database.
    """

    sql: str
    work: int = 0
    scanned: set[str] = field(default_factory=set)
    plan: str = ""

    @property
    def kind(self) -> str:
        """The statement, the same for lists of any length."""
        return LIST.sub("(...)", self.sql)


@contextmanager
def measured(database: Database) -> Iterator[list[StatementCost]]:
    """Measure all statements of a database within the block, in their order."""
    costs: list[StatementCost] = []
    look = _look_in_sqlite if database.is_sqlite else _look_in_postgres

    def before(
        connection: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
    ) -> None:
        if statement.lstrip().upper().startswith(CONTROL):
            return
        costs.append(StatementCost(statement))
        look(
            connection.connection.dbapi_connection,
            costs[-1],
            parameters[0] if isinstance(parameters, list) else parameters,
        )

    event.listen(database.engine, "before_cursor_execute", before)
    try:
        yield costs
    finally:
        event.remove(database.engine, "before_cursor_execute", before)


def _look_in_sqlite(driver: Any, cost: StatementCost, parameters: Any) -> None:
    driver.set_progress_handler(None, 0)
    rows = driver.execute(f"EXPLAIN QUERY PLAN {cost.sql}", parameters).fetchall()
    cost.plan = "; ".join(str(row[-1]) for row in rows)

    def count() -> int:  # also while the rows are fetched, until the next statement
        cost.work += COUNT_EVERY_STEPS
        return 0

    driver.set_progress_handler(count, COUNT_EVERY_STEPS)


def _look_in_postgres(driver: Any, cost: StatementCost, parameters: Any) -> None:
    with driver.cursor() as cursor:
        if not driver.autocommit:
            cursor.execute("SAVEPOINT look")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {cost.sql}", parameters)
        (document,) = cursor.fetchone()
        if not driver.autocommit:
            cursor.execute("ROLLBACK TO SAVEPOINT look")
    root = (json.loads(document) if isinstance(document, str) else document)[0]["Plan"]
    nodes = list(_nodes(root))
    cost.work = sum(_rows_of(node) for node in nodes)
    cost.scanned = {
        node["Relation Name"]
        for node in nodes
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE_TABLES
    }
    cost.plan = "; ".join(_described(node) for node in nodes)


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    children: Sequence[dict[str, Any]] = node.get("Plans", ())
    for child in children:
        yield from _nodes(child)


def _rows_of(node: dict[str, Any]) -> int:
    """Rows that a node that reads a table or an index touched, in all of its loops."""
    if "Scan" not in node["Node Type"] or node["Node Type"] in ("Subquery Scan", "CTE Scan", "Values Scan"):
        return 0
    dropped = sum(value for name, value in node.items() if name.startswith("Rows Removed by"))
    return round((node["Actual Rows"] + dropped) * node["Actual Loops"])


def _described(node: dict[str, Any]) -> str:
    names = (node.get(name) for name in ("Node Type", "Relation Name", "Index Name"))
    return " ".join([*(name for name in names if name), f"({node['Actual Rows']:.0f} rows)"])
