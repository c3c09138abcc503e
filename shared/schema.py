"""The schema revision that this code needs, declared here because the API does not import the migrations."""

from typing import Final

from sqlalchemy import inspect, text

from shared.database import Database

NEWEST: Final = "0012"


def revision_of(database: Database) -> str | None:
    """Return the revision that the database is at, or None before its first migration.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    with database.read() as session:
        if not inspect(session.connection()).has_table("alembic_version"):
            return None
        revision: str | None = session.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
