"""Drain mode: the operator's switch that makes all workers finish their jobs and take no new ones.

The switch is a row in the database. All workers on all machines claim their jobs there and so heed it, and it
survives a Redis flush and any restart, which is the kind of maintenance that operators drain for.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import CheckConstraint, delete, exists, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from shared.database import Database
from shared.database_clock import database_now
from shared.orm import Base, UtcDateTime


class DrainRow(Base):
    """The switch: it is on while the table has its one row."""

    __tablename__ = "drain"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    since: Mapped[datetime] = mapped_column(UtcDateTime)


NOT_DRAINING: Final = ~exists(select(DrainRow.id))
"""As a condition of a query: workers may take jobs."""


def begin(database: Database) -> None:
    """Stop all workers from taking jobs. Calling it again keeps the start time of the first call."""
    try:
        with database.write() as session:
            session.execute(insert(DrainRow).values(id=1, since=database_now()))
    except IntegrityError:
        return  # it was on


def end(database: Database) -> None:
    """Let the workers take jobs again. The sweeper then rings for the queued ones."""
    with database.write() as session:
        session.execute(delete(DrainRow))


def is_draining(session: Session) -> bool:
    """Return whether workers must not take jobs."""
    return draining_since(session) is not None


def draining_since(session: Session) -> datetime | None:
    """Return when the drain began, or None if workers may take jobs."""
    return session.scalar(select(DrainRow.since))
