"""What tenants use: jobs that wait now, and hours of audio by day.

The audio is booked in a table of its own when a job succeeds. The jobs themselves cannot be summed up: their
owners erase them.
"""

from datetime import UTC, date, datetime
from typing import NamedTuple

from sqlalchemy import Date, String, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column

from shared.jobs.selection import Selection
from shared.jobs.tables import QUEUED, Job
from shared.keys import NO_TENANT
from shared.orm import Base


class UsageRow(Base):
    """The audio of a tenant's jobs that succeeded on one day, in UTC."""

    __tablename__ = "usage"

    tenant: Mapped[str] = mapped_column(String(36), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    audio_seconds: Mapped[float]


class Usage(NamedTuple):
    """A tenant's queued jobs, and the seconds of audio of its jobs that succeeded today (UTC)."""

    waiting: int
    audio_seconds: float


def usage_of(session: Session, tenant: str, moment: datetime) -> Usage:
    """Return what a tenant uses at this time."""
    waiting = select(func.count()).select_from(Job).where(QUEUED, *Selection(tenant=tenant).conditions())
    today = UsageRow.tenant == tenant, UsageRow.day == moment.astimezone(UTC).date()
    return Usage(
        waiting=session.scalar(waiting) or 0,
        audio_seconds=session.scalar(select(UsageRow.audio_seconds).where(*today)) or 0.0,
    )


def book_audio(session: Session, tenant: str, seconds: float, moment: datetime) -> None:
    """Add the audio of a job that succeeded at this time. Nothing is booked for jobs without a tenant."""
    if tenant == NO_TENANT:
        return
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    row = insert(UsageRow).values(
        tenant=tenant, day=moment.astimezone(UTC).date(), audio_seconds=max(seconds, 0.0)
    )
    session.execute(
        row.on_conflict_do_update(
            index_elements=[UsageRow.tenant, UsageRow.day],
            set_={"audio_seconds": UsageRow.audio_seconds + row.excluded.audio_seconds},
        )
    )
