"""Which jobs a query or a verb is about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, SQLColumnExpression, func

from shared.jobs.tables import Job, JobStatus


@dataclass(frozen=True, slots=True)
class Selection:
    """Jobs that meet every condition given; without any, all jobs.

    Attributes:
        statuses: in one of these states.
        codes: failed with one of these error codes.
        client: submitted by this client.
        before: finished at this moment or before; a job that has not finished was submitted then or before.
    """

    statuses: Sequence[JobStatus] = ()
    codes: Sequence[str] = ()
    client: str | None = None
    before: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The WHERE clause, for the queries of this package."""
        return self._conditions(func.coalesce(Job.finished_at, Job.created_at))

    def finished_conditions(self) -> list[ColumnElement[bool]]:
        """The WHERE clause for finished jobs only; it can use the index on ``finished_at``."""
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
