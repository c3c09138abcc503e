"""The database: reachability, schema, configuration, clock."""

import time
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from ops.doctor.clocks import compare
from ops.doctor.findings import Area, Check, Finding, ok, problem, processes, warning
from ops.doctor.workers import process_count
from ops.errors import NoDatabase
from ops.installation import Installation
from shared import connection_budget
from shared.errors import DatabaseUnavailable
from shared.schema import NEWEST, revision_of

NEARLY = 0.8


def answers(installation: Installation) -> Finding:
    """Reachable?"""
    began = time.perf_counter()
    try:
        installation.database.ping()
    except NoDatabase as error:
        return problem(
            error.message,
            "Make it with `python -m migrations` (`shrutlekh serve` does so by itself), or set "
            "SHRUTLEKH_DATA_DIR (or --data) or SHRUTLEKH_DATABASE_URL to where it is.",
        )
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
        return problem(
            "SHRUTLEKH_DATABASE_URL is not the URL of a supported database.",
            "Write postgresql+psycopg://USER:PASSWORD@HOST:5432/NAME, with %-codes for special characters.",
        )
    except DatabaseUnavailable as error:
        return problem(
            f"{installation.database_name} does not answer: {installation.reason(error)}",
            "Start it (`docker compose up --detach postgres`), or look at SHRUTLEKH_DATABASE_URL: host, "
            "port, name, user and password.",
        )
    except DBAPIError as error:
        return problem(
            f"{installation.database_name} cannot be used: {installation.reason(error)}",
            "If it is damaged, restore the latest backup: docs/operate.md says how.",
        )
    milliseconds = (time.perf_counter() - began) * 1000
    return ok(f"{installation.database_name} answers in {milliseconds:.0f} ms.")


def journal(installation: Installation) -> Finding:
    """Is SQLite's write-ahead log in use? Every connection asks for it; not every disk supports it."""
    with installation.database.read() as session:
        mode = session.scalar(text("PRAGMA journal_mode"))
    if mode == "wal":
        return ok("SQLite uses write-ahead logging (WAL).")
    return problem(
        f"SQLite's journal mode is {mode}, although WAL was asked for: readers and the writer hold up "
        "each other.",
        "Its file system has no shared memory: put the data folder on a disk of this machine.",
    )


def schema(installation: Installation) -> Finding:
    """Is it at the migration that the code needs?"""
    revision = revision_of(installation.database)
    if revision == NEWEST:
        return ok(f"Its schema is at migration {NEWEST}, as the code needs.")
    if revision is None or revision < NEWEST:
        return problem(
            f"Its schema is at migration {revision or 'none'}, the code needs {NEWEST}.",
            "Run `python -m migrations` (`docker compose run --rm migrate`), after a backup.",
        )
    return problem(
        f"Its schema is at migration {revision}, newer than the {NEWEST} that this code knows.",
        "Install the newer version again, or restore the backup from before the upgrade.",
    )


def connections(installation: Installation) -> Finding:
    """Does Postgres allow as many connections as the processes may open?"""
    with installation.database.read() as session:
        most = int(session.scalar(text("SHOW max_connections")) or 0)
        reserved = int(session.scalar(text("SHOW superuser_reserved_connections")) or 0)
        used = session.scalar(
            text("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
        )
    workers = process_count(installation)
    needed = connection_budget.needed(apis=1, worker_processes=workers)
    said = (
        f"Postgres allows {most - reserved} connections and has {used}; one API and "
        f"{processes(workers)} need {needed}"
    )
    advice = f"Set max_connections of Postgres to {max(100, 2 * needed)} and start it again."
    if needed > most - reserved:
        return problem(f"{said}: some will be refused.", advice)
    if max(needed, used or 0) > NEARLY * (most - reserved):
        return warning(f"{said}: there is little room for more.", advice)
    return ok(f"{said}.")


def timeouts(installation: Installation) -> Finding:
    """Does Postgres end what hangs?"""
    setting = text("SELECT setting FROM pg_settings WHERE name = :name")
    with installation.database.read() as session:
        statement, idle = (
            int(session.scalar(setting, {"name": name}) or 0)
            for name in ("statement_timeout", "idle_in_transaction_session_timeout")
        )
    if not idle:
        return warning(
            "Postgres keeps the locks of a machine that disappears in the middle of a transaction.",
            "Behind a pooler, set it for the service's role: ALTER ROLE shrutlekh SET "
            "idle_in_transaction_session_timeout = '60s'.",
        )
    limit = f"{statement / 1000:g} s" if statement else "no time"
    return ok(f"Postgres ends a statement after {limit}, an idle transaction after {idle / 1000:g} s.")


def clock(installation: Installation) -> Finding:
    """Does Postgres' clock agree with this machine's?"""
    with installation.database.read() as session:
        session.execute(text("SELECT 1"))  # the connection is there now

        def ask() -> datetime:
            moment: datetime = session.execute(text("SELECT clock_timestamp()")).scalar_one()
            return moment

        return compare("Postgres", ask)


def checks(is_sqlite: bool) -> tuple[Check, ...]:
    """The checks for this kind of database."""
    own = (
        (Check(Area.DATABASE, "journal", journal, needs=("database",)),)
        if is_sqlite
        else (
            Check(Area.DATABASE, "connections", connections, needs=("database",)),
            Check(Area.DATABASE, "timeouts", timeouts, needs=("database",)),
            Check(Area.DATABASE, "database clock", clock, needs=("database",)),
        )
    )
    return (
        Check(Area.DATABASE, "database", answers),
        Check(Area.DATABASE, "schema", schema, needs=("database",)),
        *own,
    )
