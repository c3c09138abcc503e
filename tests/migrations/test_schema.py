import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from migrations.schema import alembic_config, upgrade
from shared.database import Database
from shared.errors import DatabaseUnavailable
from shared.orm import Base
from shared.schema import NEWEST, revision_of, wait_for_schema


def test_the_migrations_make_the_tables_of_the_code(database: Database) -> None:
    with database.read() as session:
        context = MigrationContext.configure(
            session.connection(), opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_they_make_every_constraint_of_the_code(database: Database) -> None:
    """Alembic's comparison passes over CHECK constraints and the conditions of partial indexes."""
    with database.read() as session:
        found = inspect(session.connection())
        for table in Base.metadata.tables.values():
            in_code = {str(check.name) for check in table.constraints if "ck_" in str(check.name)}
            assert {check["name"] for check in found.get_check_constraints(table.name)} == in_code
        if database.is_sqlite:
            indexes = session.execute(text("SELECT sql FROM sqlite_master WHERE type = 'index'")).scalars()
        else:
            indexes = session.execute(text("SELECT indexdef FROM pg_indexes")).scalars()
        partial = {index for index in indexes if index and "WHERE" in index}
    for name, condition in {
        "uq_job_events_one_success": "succeeded",
        "ix_jobs_queue": "queued",
        "ix_jobs_leases": "running",
    }.items():
        assert any(name in index and condition in index for index in partial), name


def test_migrating_twice_changes_nothing(database: Database) -> None:
    upgrade(database)
    with database.read() as session:
        context = MigrationContext.configure(session.connection())
        assert (
            context.get_current_revision() == ScriptDirectory.from_config(alembic_config()).get_current_head()
        )


def test_the_code_knows_the_newest_migration(database: Database) -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_current_head() == NEWEST
    assert revision_of(database) == NEWEST


def test_a_database_without_tables_is_at_no_migration(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    assert revision_of(database) is None
    database.close()


def test_a_pod_waits_until_another_has_upgraded(
    empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(empty_postgres_url)
    looks = []

    def look(database: Database) -> str | None:
        looks.append(None)
        if len(looks) == 1:
            raise DatabaseUnavailable("It is still starting.")
        if len(looks) == 3:
            upgrade(database, "0010")
        if len(looks) == 4:
            upgrade(database)
        return revision_of(database)

    monkeypatch.setattr("shared.schema.revision_of", look)
    wait_for_schema(database, pause=0.0)
    database.close()
    assert len(looks) == 4


def test_a_wait_for_the_schema_is_over_at_once_and_ends_when_told_to(
    empty_postgres_url: str, postgres_url: str
) -> None:
    environment = os.environ | {"SHRUTLEKH_DATABASE_URL": postgres_url}
    line = [sys.executable, "-m", "shared.schema"]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    environment["SHRUTLEKH_DATABASE_URL"] = empty_postgres_url
    with subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr is not None
        said = waiting.stderr.readline()
        waiting.terminate()
        assert waiting.wait(10) == 1
    assert "waiting_for_schema" in said
    assert "migration none" in said
