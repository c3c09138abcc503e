"""Filters that select jobs for a query or a verb."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, SQLColumnExpression, func

from shared.jobs.tables import Job, JobStatus


@dataclass(frozen=True, slots=True)
class Selection:
    """Selects the jobs that meet all given conditions; without conditions, all jobs.

    Attributes:
        statuses: the job is in one of these states.
        codes: the job failed with one of these error codes.
        client: this client submitted the job.
        before: the job finished at this time or earlier, or is unfinished and was submitted by then.
    """

    statuses: Sequence[JobStatus] = ()
    codes: Sequence[str] = ()
    client: str | None = None
    before: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the terms of the WHERE clause, for the queries of this package."""
        return self._conditions(func.coalesce(Job.finished_at, Job.created_at))

    def finished_conditions(self) -> list[ColumnElement[bool]]:
        """Return the terms for finished jobs only, which let the query use the index on ``finished_at``."""
        return [Job.finished_at.is_not(None), *self._conditions(Job.finished_at)]

    def _conditions(self, age: SQLColumnExpression[datetime | None]) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = []
        if self.statuses:
            conditions.append(Job.status.in_(self.statuses))
        if self.codes:
            conditions.append(Job.error_code.in_(self.codes))
        if self.client is not None:
            conditions.append(Job.client == self.client)
        if self.before is not None:
            conditions.append(age <= self.before)
        return conditions
