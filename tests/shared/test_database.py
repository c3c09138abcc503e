import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DatabaseError, IntegrityError, StatementError

from shared.database import Database
from shared.errors import DatabaseUnavailable
from shared.jobs.tables import Job, SegmentRow
from shared.orm import UtcDateTime


def test_writers_wait_for_their_turn(database: Database) -> None:
    """Concurrent transactions read, then write. Without BEGIN IMMEDIATE: "database is locked" on SQLite."""
    with database.write() as session:
        session.execute(text("CREATE TABLE counter (value INTEGER)"))
        session.execute(text("INSERT INTO counter VALUES (0)"))

    def count(_: int) -> None:
        with database.write() as session:
            lock = "" if database.is_sqlite else " FOR UPDATE"
            value = session.scalar(text(f"SELECT value FROM counter{lock}"))
            assert value is not None
            time.sleep(0.002)
            session.execute(text("UPDATE counter SET value = :value"), {"value": value + 1})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(40)))
    with database.read() as session:
        assert session.scalar(text("SELECT value FROM counter")) == 40


def test_a_reader_does_not_wait_for_a_writer(database: Database) -> None:
    with database.write() as writing:
        writing.execute(text("CREATE TABLE half_done (value INTEGER)"))
        with database.read() as session:
            began = time.monotonic()
            assert session.scalar(text("SELECT count(*) FROM jobs")) == 0
            assert time.monotonic() - began < 5


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_connections_that_the_server_closed_are_replaced(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Database(database_url)

    def close_connection() -> None:
        ((pid,),) = database.rows(select(text("pg_backend_pid()")))
        other.rows(select(text(f"pg_terminate_backend({pid}, 10000)")))

    close_connection()
    assert database.rows(select(text("1"))) == [(1,)], "one query is sent again"
    close_connection()
    monkeypatch.setattr("shared.database.PING_AFTER_SECONDS", 0.0)
    with database.write() as session:
        assert session.scalar(text("SELECT 1")) == 1, "a ping tells it before the transaction"
    other.close()


def test_one_query_sees_what_was_committed(database: Database) -> None:
    with database.write() as session:
        session.execute(text("CREATE TABLE counter (value INTEGER)"))
        session.execute(text("INSERT INTO counter VALUES (7)"))
        other = select(text("count(*)")).select_from(text("jobs"))
        assert database.rows(other) == [(0,)], "and waits for no writer"
    assert database.rows(select(text("value")).select_from(text("counter"))) == [(7,)]


def test_what_raises_is_rolled_back(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as session:
        session.execute(text("CREATE TABLE never (value INTEGER)"))
        raise ZeroDivisionError
    with database.write() as session:
        session.execute(text("CREATE TABLE never (value INTEGER)"))


@pytest.mark.parametrize(
    "url", ["postgresql+psycopg://nobody@127.0.0.1:1/nothing", "sqlite:////proc/nowhere/shrutlekh.db"]
)
def test_a_database_that_is_away_is_named(url: str) -> None:
    if url.startswith("sqlite"):
        with pytest.raises(OSError, match="nowhere"):
            Database(url)
        return
    database = Database(url)
    with pytest.raises(DatabaseUnavailable):
        database.ping()


def test_a_sqlite_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(DatabaseError, match="not a database"):
        Database(f"sqlite:///{tmp_path}/x.db").ping()


def test_times_are_utc_in_and_out(database: Database) -> None:
    kolkata = timezone(timedelta(hours=5, minutes=30))
    moment = datetime(2026, 1, 1, 5, 30, tzinfo=kolkata)
    kind = UtcDateTime()
    dialect = database.engine.dialect
    stored = kind.process_bind_param(moment, dialect)
    assert stored == (datetime(2026, 1, 1) if database.is_sqlite else datetime(2026, 1, 1, tzinfo=UTC))
    assert kind.process_result_value(stored, dialect) == moment
    with pytest.raises(ValueError, match="naive"):
        kind.process_bind_param(datetime(2026, 1, 1), dialect)


def test_a_naive_time_never_reaches_the_database(database: Database) -> None:
    with pytest.raises(StatementError, match="naive"), database.write() as session:
        session.execute(update(Job).values(created_at=datetime(2026, 1, 1)))


def test_an_error_does_not_tell_what_was_to_be_stored(database: Database) -> None:
    job = uuid.uuid4()
    row = {
        "job_id": job,
        "position": 0,
        "start_seconds": 2.0,
        "end_seconds": 1.0,
        "text": "गोपनीय",
        "words": [],
    }
    with pytest.raises(IntegrityError) as caught, database.write() as session:
        session.execute(insert(SegmentRow).values(row))
    assert "segments" in str(caught.value)
    assert "गोपनीय" not in str(caught.value)
    assert str(job) not in str(caught.value)
