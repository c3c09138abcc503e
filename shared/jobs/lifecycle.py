"""The job life cycle: which event may happen in which state, and the functions that make the transitions.

::

    (new) --submitted--> queued --claimed--> running --succeeded--> succeeded
                         ^ ^ ^               | | |
                         | | '---requeued----' | '---failed------> failed -----.
                         | '-----released------'                               |
                         '-------retried----- failed, cancelled <--------------'

    queued, running --cancelled--> cancelled        queued --failed--> failed (its file is gone)
    running --restarted--> running (from the beginning: its model has another version now)

Every transition is a conditional UPDATE and a row in ``job_events``, in the caller's transaction: two
processes that try the same transition never both succeed. The webhook of a job that ends is put into the
outbox in the same transaction.
"""

import enum
import functools
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, insert, update
from sqlalchemy.orm import Session
from sqlalchemy.sql import Executable

from shared.database_clock import database_now, from_now
from shared.errors import IllegalTransition
from shared.jobs.tables import Job, JobEvent, JobStatus
from shared.orm import detached
from shared.webhooks import enqueue_job

JOBS = Job.__table__
_INSERT_EVENTS = insert(JobEvent.__table__).values(at=database_now())

NOW = timedelta(0)
"""As the value of a time column: the present, by the database's clock."""


class Event(enum.StrEnum):
    """What can happen to a job."""

    SUBMITTED = "submitted"
    CLAIMED = "claimed"
    REQUEUED = "requeued"  # its lease ran out, or it failed with a retryable error
    RELEASED = "released"  # its worker stops; the attempt does not count
    RETRIED = "retried"  # its owner wants it tried again
    RESTARTED = "restarted"  # earlier attempts used another version of its model: it begins again
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Transition:
    """The states in which an event may happen, and the state after it."""

    sources: frozenset[JobStatus]
    target: JobStatus


TRANSITIONS = {
    Event.CLAIMED: Transition(frozenset({JobStatus.QUEUED}), JobStatus.RUNNING),
    Event.REQUEUED: Transition(frozenset({JobStatus.RUNNING}), JobStatus.QUEUED),
    Event.RELEASED: Transition(frozenset({JobStatus.RUNNING}), JobStatus.QUEUED),
    Event.RETRIED: Transition(frozenset({JobStatus.FAILED, JobStatus.CANCELLED}), JobStatus.QUEUED),
    Event.RESTARTED: Transition(frozenset({JobStatus.RUNNING}), JobStatus.RUNNING),
    Event.SUCCEEDED: Transition(frozenset({JobStatus.RUNNING}), JobStatus.SUCCEEDED),
    Event.FAILED: Transition(frozenset({JobStatus.QUEUED, JobStatus.RUNNING}), JobStatus.FAILED),
    Event.CANCELLED: Transition(frozenset({JobStatus.QUEUED, JobStatus.RUNNING}), JobStatus.CANCELLED),
}


def transition(
    session: Session,
    job: Job,
    event: Event,
    *,
    owner: str | None = None,
    lease_expired: bool = False,
    unless_cancelled: bool = False,
    code: str | None = None,
    **changes: Any,
) -> Job:
    """Apply ``event`` to ``job``, together with ``changes`` to its columns.

    Args:
        session: a writing session; the caller commits.
        job: the job as last read. If its state has changed since, the transition is refused.
        event: what happens.
        owner: if given, the transition requires that this worker holds the lease.
        lease_expired: if true, the transition requires that the lease has run out (the worker may renew it at
            any moment).
        unless_cancelled: if true, the transition requires that nobody asked to cancel the job.
        code: error code for the audit trail.
        changes: further columns to set, to plain values. A timedelta sets a time to that long from now,
            by the database's clock.

    Returns:
        The job as it is now, in no session; ``job`` is unchanged.

    Raises:
        IllegalTransition: the job is in another state, another worker holds its lease, it was erased, or a
            cancellation was requested.
    """
    rule = TRANSITIONS[event]
    if job.status not in rule.sources:
        raise IllegalTransition(f"The job can't be {event.value} now: it is {job.status}.")
    conditions: dict[str, Any] = {"id": job.id, "status": job.status}
    if owner is not None:
        conditions["lease_owner"] = owner
    if unless_cancelled:
        conditions["cancel_requested"] = False
    after = _update(session, conditions, _columns_after(rule) | changes, lease_expired=lease_expired)
    if after is None:
        raise IllegalTransition("The job's state has just changed. Look at it again.")
    row = event_row(after.id, event, job.status, rule.target, after.attempt, code)
    save_events(session, [row])
    _tell_webhook(session, after.id, after.tenant, after.options, after.status)
    return after


def _update(
    session: Session, conditions: dict[str, Any], values: dict[str, Any], *, lease_expired: bool
) -> Job | None:
    """Change the job that meets the conditions; return it as it is now, or None if it does not meet them."""
    lengths = frozenset(name for name, value in values.items() if isinstance(value, timedelta))
    statement = _update_of(frozenset(conditions), frozenset(values), lengths, lease_expired)
    parameters = {f"old_{name}": value for name, value in conditions.items()} | {
        f"new_{name}": value.total_seconds() if name in lengths else value for name, value in values.items()
    }
    row = session.connection().execute(statement, parameters).one_or_none()
    return None if row is None else detached(Job, row)


@functools.cache  # building a statement costs more than executing it
def _update_of(
    conditions: frozenset[str], values: frozenset[str], lengths: frozenset[str], lease_expired: bool
) -> Executable:
    columns = JOBS.c

    def new(name: str) -> ColumnElement[Any]:
        return (
            from_now(f"new_{name}") if name in lengths else bindparam(f"new_{name}", type_=columns[name].type)
        )

    statement = update(JOBS).values({name: new(name) for name in values})
    for name in sorted(conditions):
        statement = statement.where(columns[name] == bindparam(f"old_{name}", type_=columns[name].type))
    if lease_expired:
        statement = statement.where(columns.lease_expires_at <= database_now())
    return statement.returning(*columns)


def save_events(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows of the audit trail, see :func:`event_row`."""
    session.connection().execute(_INSERT_EVENTS, rows)


def transition_queued(session: Session, event: Event, chosen: Select[Any]) -> int:
    """Apply ``event`` to all queued jobs of a query in one statement.

    Args:
        session: a writing session; the caller commits.
        event: what happens.
        chosen: selects the ids of the jobs. Those that are no longer queued are passed over.

    Returns:
        The number of jobs that it was applied to.

    Raises:
        IllegalTransition: the event cannot happen to queued jobs.
    """
    rule, source = TRANSITIONS[event], JobStatus.QUEUED
    if source not in rule.sources:
        raise IllegalTransition(f"A queued job can't be {event.value}.")
    changed = session.execute(
        update(Job)
        .where(Job.id.in_(chosen), Job.status == source)
        .values({name: _sql_of(value) for name, value in _columns_after(rule).items()})
        .returning(Job.id, Job.attempt, Job.tenant, Job.options)
        .execution_options(synchronize_session=False)
    ).all()
    rows = [event_row(job.id, event, source, rule.target, job.attempt) for job in changed]
    if rows:
        save_events(session, rows)
    for job in changed:
        _tell_webhook(session, job.id, job.tenant, job.options, rule.target)
    return len(rows)


def _columns_after(rule: Transition) -> dict[str, Any]:
    """Return the columns that each transition sets, see `changes` of :func:`transition`."""
    return {
        "status": rule.target,
        "lease_owner": None,
        "lease_expires_at": None,
        "error_code": None,
        "error_message": None,
        "warnings": None,
        "finished_at": NOW if rule.target.is_final else None,
    }


def _sql_of(value: Any) -> Any:
    return from_now(value) if isinstance(value, timedelta) else value


def _tell_webhook(
    session: Session, job_id: uuid.UUID, tenant: str, options: dict[str, Any] | None, status: JobStatus
) -> None:
    """Put a webhook for a job that has ended into the outbox, if it has one."""
    url = (options or {}).get("webhook_url")
    if url is not None and status.is_final:
        enqueue_job(session, job_id=job_id, tenant=tenant, url=url, status=status.value)


def event_row(
    job_id: uuid.UUID,
    event: Event,
    source: JobStatus | None,
    target: JobStatus,
    attempt: int,
    code: str | None = None,
) -> dict[str, Any]:
    """Make a row of the audit trail. It is given its time as it is inserted."""
    return {
        "job_id": job_id,
        "event": event.value,
        "from_status": source.value if source else None,
        "to_status": target.value,
        "attempt": attempt,
        "code": code,
    }
