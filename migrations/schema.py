"""Upgrade a database while the service works on it, and configure Alembic without an ini file."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from migrations.online import LOCK_TIMEOUT
from shared.database import Database, open_database
from shared.schema import NEWEST, revision_of
from shared.settings import Settings

LOCK: Final = 0x5348_5255
"""Advisory lock of Postgres: one upgrade at a time. The write lock of SQLite does the same."""
LOOK_SECONDS: Final = 0.2
TRIES: Final = 60
PAUSE_SECONDS: Final = 1.0
LOCK_NOT_AVAILABLE: Final = "55P03"


def alembic_config(connection: Connection | None = None) -> Config:
    """Make Alembic's configuration for ``connection``."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade_configured(settings: Settings, revision: str = "head") -> None:
    """Upgrade the database that the settings name, see `upgrade`.

    Raises:
        CommandError: it is behind a pooler and nobody says where Postgres itself is.
        DatabaseUnavailable: as `upgrade`.
    """
    url = settings.database
    if settings.database_pooler and settings.database_direct_url:
        url = settings.database_direct_url
    elif settings.database_pooler:
        with closing(open_database(settings, pool_size=1)) as database:
            if revision_of(database) == NEWEST:
                return
        raise CommandError(
            "Migrations cannot go through a pooler in transaction mode. "
            "Set SHRUTLEKH_DATABASE_DIRECT_URL to the URL of Postgres itself."
        )
    with closing(Database(url)) as database:
        upgrade(database, revision)


def upgrade(database: Database, revision: str = "head") -> None:
    """Upgrade to ``revision``. Safe to call from several processes at once, and while others use the tables.

    On Postgres each migration is a transaction. One that has to wait for a lock holds up all that come after
    it, so it gives up after `LOCK_TIMEOUT` and is tried again.

    Raises:
        DatabaseUnavailable: the database does not answer, or a table stayed locked.
    """
    if database.is_sqlite:
        with database.write() as session:
            command.upgrade(alembic_config(session.connection()), revision)
        return
    with database.connection() as connection, _only_one(connection):
        for left in reversed(range(TRIES)):
            try:
                command.upgrade(alembic_config(connection), revision)
            except OperationalError as error:
                connection.rollback()
                if left == 0 or getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                    raise
                time.sleep(PAUSE_SECONDS)
            else:
                return


@contextmanager
def _only_one(connection: Connection) -> Iterator[None]:
    """Hold the advisory lock. Those who wait for it hold no transaction, for which an index would wait."""
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LOCK}):
        connection.rollback()
        time.sleep(LOOK_SECONDS)
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
        connection.execute(text("SET lock_timeout = DEFAULT"))
        connection.commit()
