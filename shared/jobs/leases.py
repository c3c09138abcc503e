"""An attempt at a job: claimed with a lease, renewed while it goes on, handed back when it breaks off."""

import random
import uuid
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from shared.clock import now
from shared.errors import ATTEMPTS_EXHAUSTED, IllegalTransition
from shared.jobs.lifecycle import Event, transition
from shared.jobs.tables import QUEUED, Job, JobStatus, SegmentRow
from shared.jobs.turns import ORDER

BACKOFF_SECONDS = 1.0


def claim_next(session: Session, owner: str, lease: timedelta) -> Job | None:
    """Give ``owner`` the lease on the job whose turn it is; None when no job is due."""
    moment = now()
    job = session.scalar(
        select(Job)
        .where(QUEUED, Job.available_at <= moment)
        .order_by(*ORDER)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if job is None:
        return None
    if job.attempt and not job.chunks_done:  # what an older version saved of an attempt that broke off
        session.execute(delete(SegmentRow).where(SegmentRow.job_id == job.id))
    return transition(
        session,
        job,
        Event.CLAIMED,
        attempt=Job.attempt + 1,
        started_at=moment,
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


def release(session: Session, job: Job, *, owner: str) -> Job:
    """Give a running job back because its worker stops: it is due at once, and the attempt does not count.

    A job that shall be cancelled is.

    Raises:
        IllegalTransition: as for :func:`transition`.
    """
    if job.cancel_requested:
        return transition(session, job, Event.CANCELLED, owner=owner)
    return transition(session, job, Event.RELEASED, owner=owner, attempt=job.attempt - 1, available_at=now())


def renew(
    session: Session, job_id: uuid.UUID, owner: str, lease: timedelta, progress: float, chunks_done: int
) -> bool:
    """Renew the lease and report how far the attempt is.

    Args:
        progress: part of the recording that is done, 0 to 1.
        chunks_done: stretches of speech whose words are in the database, by the end of the transaction.

    Returns:
        True when the worker shall go on, False when its owner asked to cancel the job.

    Raises:
        IllegalTransition: the worker no longer holds the lease and must drop its work.
    """
    cancel_requested = session.execute(
        update(Job)
        .where(Job.id == job_id, Job.status == JobStatus.RUNNING, Job.lease_owner == owner)
        .values(
            lease_expires_at=now() + lease,
            progress=min(max(progress, 0.0), 1.0),
            chunks_done=chunks_done,
        )
        .returning(Job.cancel_requested)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    if cancel_requested is None:
        raise IllegalTransition("The lease on the job was lost.")
    return not cancel_requested
