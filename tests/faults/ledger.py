"""What the database says, read beside the service; None or nothing while the database is away."""

import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeVar

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from shared.database import Database
from shared.errors import DatabaseUnavailable
from shared.jobs.tables import QUEUED, RUNNING, Job, JobEvent, JobStatus, SegmentRow, WaveformRow

Found = TypeVar("Found")


class Held(NamedTuple):
    """A job that a worker process works on."""

    job_id: uuid.UUID
    file_bytes: int
    chunks_done: int


@dataclass(frozen=True, slots=True)
class EventRow:
    """A row of the audit trail."""

    at: datetime
    event: str
    source: str | None
    target: str
    attempt: int
    code: str | None


@dataclass(frozen=True, slots=True)
class JobRow:
    """A row of the jobs, with its audit trail."""

    id: uuid.UUID
    status: str
    key: str | None
    file_key: str
    error: str | None
    events: tuple[EventRow, ...]


class Ledger:
    """Read-only, for several threads."""

    def __init__(self, url: str) -> None:
        self._database = Database(url, pool_size=16)

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def counts(self) -> Counter[str]:
        """Number of jobs by status; empty while the database is away."""

        def read(session: Session) -> Counter[str]:
            rows = session.execute(select(Job.status, func.count()).group_by(Job.status))
            return Counter({status.value: count for status, count in rows})

        return self._read(read) or Counter()

    def held_by(self, pid: int) -> Held | None:
        """The job whose lease a process holds."""
        columns = (Job.lease_owner, Job.id, Job.file_bytes, Job.chunks_done)
        rows = self._read(lambda session: session.execute(select(*columns).where(RUNNING)).all()) or []
        mine = [row for row in rows if str(pid) in (row.lease_owner or "").split(":")]
        return Held(mine[0].id, mine[0].file_bytes, mine[0].chunks_done) if mine else None

    def open_jobs(self) -> list[uuid.UUID]:
        """Jobs that wait or run."""
        query = select(Job.id).where(or_(QUEUED, RUNNING))
        return list(self._read(lambda session: session.scalars(query).all()) or [])

    def file_keys(self) -> set[str] | None:
        """The files that jobs have."""
        return self._read(lambda session: set(session.scalars(select(Job.file_key))))

    def rows(self) -> int | None:
        """Number of rows in all tables."""
        tables = (Job, JobEvent, SegmentRow, WaveformRow)
        counts = [select(func.count()).select_from(table) for table in tables]
        return self._read(lambda session: sum(session.scalar(count) or 0 for count in counts))

    def jobs(self) -> list[JobRow]:
        """All jobs with their events, when the database is there.

        Raises:
            DatabaseUnavailable: it is not.
        """
        with self._database.read() as session:
            events: dict[uuid.UUID, list[EventRow]] = {}
            for row in session.scalars(select(JobEvent).order_by(JobEvent.id)):
                event = EventRow(row.at, row.event, row.from_status, row.to_status, row.attempt, row.code)
                events.setdefault(row.job_id, []).append(event)
            return [
                JobRow(
                    job.id,
                    JobStatus(job.status).value,
                    job.idempotency_key,
                    job.file_key,
                    job.error_code,
                    tuple(events.get(job.id, ())),
                )
                for job in session.scalars(select(Job))
            ]

    def _read(self, query: Callable[[Session], Found]) -> Found | None:
        with suppress(DatabaseUnavailable), self._database.read() as session:
            return query(session)
        return None
