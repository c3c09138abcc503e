"""Which migration the code is written for. The front end cannot import the migrations themselves."""

from typing import Final

from sqlalchemy import inspect, text

from shared.database import Database

NEWEST: Final = "0004"


def revision_of(database: Database) -> str | None:
    """The migration that a database is at; None for one that has seen none.

    Raises:
        DatabaseUnavailable: it does not answer.
    """
    with database.read() as session:
        if not inspect(session.connection()).has_table("alembic_version"):
            return None
        revision: str | None = session.scalar(text("SELECT version_num FROM alembic_version"))
    return revision
