"""Filters that select jobs for a query or a verb."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, SQLColumnExpression, TextClause, func, literal_column

from shared.jobs.tables import ENDED, NOT_ENDED, Job, JobStatus

Condition = ColumnElement[bool] | TextClause


@dataclass(frozen=True, slots=True)
class Selection:
    """Selects the jobs that meet all given conditions; without conditions, all jobs.

    Attributes:
        statuses: the job is in one of these states.
        codes: the job failed with one of these error codes.
        client: this client submitted the job.
        tenant: the job belongs to this tenant.
        batch_id: the job belongs to this batch.
        name: its file name contains this text, in upper or lower case. Reads all jobs that meet the rest.
        before: the job finished at this time or earlier, or is unfinished and was submitted by then.
    """

    statuses: Sequence[JobStatus] = ()
    codes: Sequence[str] = ()
    client: str | None = None
    tenant: str | None = None
    batch_id: uuid.UUID | None = None
    name: str = ""
    before: datetime | None = None

    def conditions(self) -> list[Condition]:
        """Return the terms of the WHERE clause, for the queries of this package."""
        return self._conditions(func.coalesce(Job.finished_at, Job.created_at))

    def finished_conditions(self) -> list[Condition]:
        """Return the terms for finished jobs only, which let the query use the index on ``finished_at``."""
        return [Job.finished_at.is_not(None), *self._conditions(Job.finished_at)]

    def _conditions(self, age: SQLColumnExpression[datetime | None]) -> list[Condition]:
        conditions: list[Condition] = []
        if self.statuses:
            conditions.append(Job.status.in_(self.statuses))
            finals = {status.is_final for status in self.statuses}
            if len(finals) == 1 and self.batch_id is None:  # lets the query use the index of these states
                conditions.append(ENDED if finals == {True} else NOT_ENDED)
        if self.codes:
            conditions.append(Job.error_code.in_(self.codes))
        if self.client is not None:
            conditions.append(Job.client == self.client)
        if self.tenant is not None:
            conditions.append(Job.tenant == self.tenant)
            if self.tenant:  # lets the query use the index of tenants
                conditions.append(Job.tenant != literal_column("''"))
        if self.batch_id is not None:
            conditions.append(Job.batch_id == self.batch_id)
        if self.name:
            conditions.append(Job.file_name.icontains(self.name, autoescape=True))
        if self.before is not None:
            conditions.append(age <= self.before)
        return conditions
