"""Upgrade a database, and configure Alembic without an ini file."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from shared.database import Database

LOCK = 0x5348_5255  # Postgres advisory lock: one upgrade at a time. SQLite's write lock does the same.


def alembic_config(connection: Connection | None = None) -> Config:
    """Make Alembic's configuration for ``connection``."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(database: Database, revision: str = "head") -> None:
    """Upgrade to ``revision``. Safe to call from several processes at once."""
    with database.write() as session:
        connection = session.connection()
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        command.upgrade(alembic_config(connection), revision)
