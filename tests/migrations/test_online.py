"""Migrations that readers and writers need not wait for."""

import re
import threading
import time
from collections.abc import Iterable
from typing import Any

import pytest
from sqlalchemy import event, text

import migrations.schema
from migrations.schema import upgrade
from shared.database import Database
from shared.errors import DatabaseUnavailable
from tests.jobs.many_jobs import add_queued

FIRST = "0010"  # those after it keep the rules
TABLE = re.compile(r"(?:ALTER TABLE(?: ONLY)?|\bON|UPDATE|DELETE FROM) (\w+)", re.IGNORECASE)
CONSTANT = re.compile(r"DEFAULT (?:'[^']*'|-?\d+(?:\.\d+)?|true|false|NULL)(?![\w(])", re.IGNORECASE)


def holding_up(statements: Iterable[str]) -> list[str]:
    """Return the statements that lock a table that has rows for as long as it has many."""
    new: set[str] = set()
    found = []
    for statement in (" ".join(each.split()) for each in statements):
        if made := re.match(r"CREATE TABLE (\w+)", statement, re.IGNORECASE):
            new.add(made[1])
            continue
        table = re.search(
            r"(?:ALTER TABLE(?: ONLY)?|\bON|UPDATE|DELETE FROM) (\w+)", statement, re.IGNORECASE
        )
        if (table and (table[1] in new or table[1] == "alembic_version")) or table is None:
            continue
        upper = statement.upper()
        if (
            ("CREATE" in upper and "INDEX" in upper and "CONCURRENTLY" not in upper)
            or re.search(r"ALTER (?:COLUMN )?\w+ (?:SET DATA )?TYPE", upper)
            or "SET NOT NULL" in upper
            or ("ADD CONSTRAINT" in upper and "NOT VALID" not in upper)
            or ("ADD COLUMN" in upper and "NOT NULL" in upper and not CONSTANT.search(statement))
            or upper.startswith(("UPDATE", "DELETE"))
        ):
            found.append(statement)
    return found


@pytest.fixture
def old(empty_postgres_url: str) -> Any:
    database = Database(empty_postgres_url)
    upgrade(database, FIRST)
    yield database
    database.close()


def test_no_migration_holds_up_a_large_table(old: Database) -> None:
    statements: list[str] = []

    def collect(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(old.engine, "before_cursor_execute", collect)
    upgrade(old)
    assert any("CONCURRENTLY" in statement for statement in statements)
    assert holding_up(statements) == []


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX ix ON jobs (a)",
        "CREATE UNIQUE INDEX ix ON jobs (a) WHERE b",
        "ALTER TABLE jobs ALTER COLUMN a TYPE TEXT",
        "ALTER TABLE jobs ALTER COLUMN a SET NOT NULL",
        "ALTER TABLE jobs ADD COLUMN a UUID NOT NULL DEFAULT gen_random_uuid()",
        "ALTER TABLE jobs ADD COLUMN a INTEGER NOT NULL",
        "ALTER TABLE jobs ADD CONSTRAINT c CHECK (a > 0)",
        "UPDATE jobs SET a = 1",
    ],
)
def test_what_would_hold_it_up(statement: str) -> None:
    assert holding_up([statement]) == [statement]


def test_what_would_not() -> None:
    assert (
        holding_up(
            [
                "CREATE TABLE new (id INTEGER)",
                "CREATE INDEX ix ON new (id)",
                "CREATE INDEX CONCURRENTLY ix ON jobs (a)",
                "ALTER TABLE jobs ADD COLUMN a INTEGER",
                "ALTER TABLE jobs ADD COLUMN a INTEGER DEFAULT 0 NOT NULL",
                "ALTER TABLE jobs ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
                "UPDATE alembic_version SET version_num = '1'",
                "SET lock_timeout = 0",
            ]
        )
        == []
    )


def test_it_waits_for_a_lock_in_short_turns_and_lets_others_pass(old: Database) -> None:
    add_queued(old, 10)
    waits = []
    done = threading.Event()
    holder = old.engine.connect()
    holder.execute(text("SELECT count(*) FROM jobs"))  # holds a lock until its transaction ends

    def migrate() -> None:
        upgrade(old)
        done.set()

    thread = threading.Thread(target=migrate)
    thread.start()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        began = time.monotonic()
        with old.write() as session:
            session.execute(text("UPDATE jobs SET progress = 0.5"))
        waits.append(time.monotonic() - began)
        time.sleep(0.05)
    assert not done.is_set()
    holder.rollback()
    thread.join(60)
    holder.close()
    assert done.is_set()
    assert max(waits) < 7  # the time limit of a lock is 2 s; the machine may be busy
    with old.read() as session:
        names = session.scalars(text("SELECT indexname FROM pg_indexes WHERE tablename = 'jobs'")).all()
    assert "ix_jobs_model" in names


def test_a_table_that_stays_locked_is_an_error(old: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations.schema, "TRIES", 2)
    monkeypatch.setattr(migrations.schema, "PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(migrations.schema, "LOCK_TIMEOUT", "100ms")
    monkeypatch.setattr("migrations.online.LOCK_TIMEOUT", "100ms")
    with old.engine.connect() as holder:
        upgrade(old, "0011")
        holder.execute(text("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(DatabaseUnavailable):
            upgrade(old)
        holder.rollback()
    upgrade(old)


def test_an_index_that_was_left_half_made_is_made_anew(old: Database) -> None:
    with old.write() as session:
        session.execute(text("CREATE INDEX ix_jobs_model ON jobs (model)"))
    upgrade(old)
    with old.read() as session:
        made = session.scalar(text("SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_jobs_model'"))
    assert "priority" in str(made)


def test_several_at_once(empty_postgres_url: str) -> None:
    databases = [Database(empty_postgres_url) for _ in range(3)]
    errors: list[Exception] = []

    def migrate(database: Database) -> None:
        try:
            upgrade(database)
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=migrate, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for database in databases:
        database.close()
    assert errors == []
