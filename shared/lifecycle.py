"""The job life cycle: which event may happen in which state, and the one function that makes it happen.

::

    (new) --submitted--> queued --claimed--> running --succeeded--> succeeded
                           ^  |                | | '---failed-----> failed
                           |  '--cancelled--.  | '-----cancelled--> cancelled
                           '--requeued-----(-)-'         ^
                                            '------------'

Every transition is one conditional UPDATE and one row in ``job_events``, in the caller's transaction: two
processes that try the same transition never both succeed.
"""

import enum
import random
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from shared.clock import now
from shared.errors import ATTEMPTS_EXHAUSTED, IllegalTransition
from shared.tables import Job, JobEvent, JobStatus

BACKOFF_SECONDS = 1.0


class Event(enum.StrEnum):
    """What can happen to a job."""

    SUBMITTED = "submitted"
    CLAIMED = "claimed"
    REQUEUED = "requeued"  # its lease ran out, or a retryable error struck
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
    Event.SUCCEEDED: Transition(frozenset({JobStatus.RUNNING}), JobStatus.SUCCEEDED),
    Event.FAILED: Transition(frozenset({JobStatus.RUNNING}), JobStatus.FAILED),
    Event.CANCELLED: Transition(frozenset({JobStatus.QUEUED, JobStatus.RUNNING}), JobStatus.CANCELLED),
}


def submit(session: Session, *jobs: Job) -> None:
    """Insert new jobs, queued, each with its first event. All are given the same time."""
    moment = now()
    for job in jobs:
        job.status = JobStatus.QUEUED
        job.created_at = job.available_at = moment
        job.progress = 0.0
        job.attempt = 0
        job.cancel_requested = False
    session.add_all(jobs)
    session.flush()
    session.execute(
        insert(JobEvent),
        [_event(job.id, Event.SUBMITTED, None, JobStatus.QUEUED, 0, moment, None) for job in jobs],
    )


def transition(
    session: Session,
    job: Job,
    event: Event,
    *,
    owner: str | None = None,
    lease_expired: bool = False,
    code: str | None = None,
    **changes: Any,
) -> Job:
    """Let ``event`` happen to ``job``, together with ``changes`` to its columns.

    Args:
        session: a writing session; the caller commits.
        job: the job as last read. If its state has changed since, the transition is refused.
        event: what happens.
        owner: if given, the transition happens only while this worker holds the lease.
        lease_expired: if true, only when the lease has run out (the worker may renew it at any moment).
        code: error code for the audit trail.
        changes: further columns to set.

    Returns:
        The job as it is now.

    Raises:
        IllegalTransition: the job is in another state, another worker holds its lease, or it is gone.
    """
    rule = TRANSITIONS[event]
    moment = now()
    if job.status not in rule.sources:
        raise IllegalTransition(f"The job can't be {event.value} now: it is {job.status}.")
    values: dict[str, Any] = {"status": rule.target, "lease_owner": None, "lease_expires_at": None}
    if rule.target.is_final:
        values["finished_at"] = moment
    values |= changes
    conditions = [Job.id == job.id, Job.status == job.status]
    if owner is not None:
        conditions.append(Job.lease_owner == owner)
    if lease_expired:
        conditions.append(Job.lease_expires_at <= moment)
    source = job.status  # `job` may be the very object that the statement refreshes
    after = session.scalars(
        update(Job)
        .where(*conditions)
        .values(values)
        .returning(Job)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).one_or_none()
    if after is None:
        raise IllegalTransition("The job changed its state in this moment.")
    row = _event(after.id, event, source, rule.target, after.attempt, moment, code)
    session.execute(insert(JobEvent).values(row))
    return after


def claim_next(session: Session, owner: str, lease: timedelta) -> Job | None:
    """Give ``owner`` the lease on the job that has waited longest; None when no job is due."""
    moment = now()
    job = session.scalar(
        select(Job)
        .where(Job.status == JobStatus.QUEUED, Job.available_at <= moment)
        .order_by(Job.available_at, Job.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if job is None:
        return None
    return transition(
        session,
        job,
        Event.CLAIMED,
        attempt=Job.attempt + 1,
        started_at=moment,
        progress=0.0,
        lease_owner=owner,
        lease_expires_at=moment + lease,
    )


def hand_back(
    session: Session,
    job: Job,
    *,
    code: str,
    message: str,
    owner: str | None = None,
    lease_expired: bool = False,
) -> Job:
    """End a running attempt that did not get through through no fault of the recording.

    The job is cancelled if that was asked for, queued again with a growing pause, or, after its last attempt,
    failed with ``attempts_exhausted`` and kept for an operator to look at.

    Raises:
        IllegalTransition: as for :func:`transition`.
    """
    if job.cancel_requested:
        return transition(session, job, Event.CANCELLED, owner=owner, lease_expired=lease_expired)
    if job.attempt < job.max_attempts:
        pause = BACKOFF_SECONDS * 2 ** (job.attempt - 1) * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
        return transition(
            session,
            job,
            Event.REQUEUED,
            owner=owner,
            lease_expired=lease_expired,
            code=code,
            progress=0.0,
            available_at=now() + timedelta(seconds=pause),
        )
    return transition(
        session,
        job,
        Event.FAILED,
        owner=owner,
        lease_expired=lease_expired,
        code=ATTEMPTS_EXHAUSTED,
        error_code=ATTEMPTS_EXHAUSTED,
        error_message=f"The job was given up after {job.attempt} attempts. The last one ended so: {message}",
    )


def renew(session: Session, job_id: uuid.UUID, owner: str, lease: timedelta, progress: float) -> bool:
    """Renew the lease and report progress.

    Returns:
        True when the worker shall go on, False when its owner asked to cancel the job.

    Raises:
        IllegalTransition: the worker no longer holds the lease and must drop its work.
    """
    cancel_requested = session.execute(
        update(Job)
        .where(Job.id == job_id, Job.status == JobStatus.RUNNING, Job.lease_owner == owner)
        .values(lease_expires_at=now() + lease, progress=min(max(progress, 0.0), 1.0))
        .returning(Job.cancel_requested)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    if cancel_requested is None:
        raise IllegalTransition("The lease on the job was lost.")
    return not cancel_requested


def _event(
    job_id: uuid.UUID,
    event: Event,
    source: JobStatus | None,
    target: JobStatus,
    attempt: int,
    moment: datetime,
    code: str | None,
) -> dict[str, Any]:
    """A row of the audit trail."""
    return {
        "job_id": job_id,
        "at": moment,
        "event": event.value,
        "from_status": source.value if source else None,
        "to_status": target.value,
        "attempt": attempt,
        "code": code,
    }
