"""The verbs of a worker: claim a job, renew its lease, and end the attempt in one of five ways."""

import random
import uuid
from collections.abc import Sequence
from datetime import timedelta

from shrutlekh_contract.audio_warnings import AudioWarning
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from shared.clock import now
from shared.errors import ATTEMPTS_EXHAUSTED, RECORDING_ERRORS, IllegalTransition
from shared.files import FileStore
from shared.jobs.lifecycle import Event, transition
from shared.jobs.results import Measurements, Waveform, drop_segments, save_waveform
from shared.jobs.tables import QUEUED, Job, JobStatus
from shared.jobs.turns import ORDER
from shared.jobs.usage import book_audio

BACKOFF_SECONDS = 1.0


def claim(session: Session, owner: str, lease: timedelta) -> Job | None:
    """Give ``owner`` the lease on the next job; return None if no job is due."""
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
    return transition(
        session,
        job,
        Event.CLAIMED,
        attempt=Job.attempt + 1,
        started_at=moment,
        lease_owner=owner,
        lease_expires_at=moment + lease,
    )


def renew(
    session: Session, job_id: uuid.UUID, owner: str, lease: timedelta, progress: float, chunks_done: int
) -> bool:
    """Renew the lease and report progress.

    Args:
        session: a writing session; the caller commits.
        job_id: the running job.
        owner: the worker that holds the lease.
        lease: length of the lease from now on.
        progress: fraction of the recording that is done, 0 to 1.
        chunks_done: segments that are in the database when the transaction ends.

    Returns:
        True if the worker should continue, False if a cancellation was requested.

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


def succeed(
    session: Session, job: Job, *, owner: str, measured: Measurements, waveform: Waveform | None
) -> Job:
    """End a running job with its results. Its segments are saved in the same transaction or earlier.

    Raises:
        IllegalTransition: see :func:`shared.jobs.lifecycle.transition`.
    """
    after = transition(
        session,
        job,
        Event.SUCCEEDED,
        owner=owner,
        progress=1.0,
        audio_seconds=measured.audio_seconds,
        audio_sample_rate=measured.sample_rate,
        audio_channels=measured.channels,
        speech_seconds=measured.speech_seconds,
        stage_seconds={stage: round(seconds, 4) for stage, seconds in measured.stage_seconds.items()},
        warnings=[warning.json() for warning in measured.warnings],
    )
    book_audio(session, after.tenant, measured.audio_seconds, now())
    if waveform is not None:
        save_waveform(session, job.id, waveform)
    return after


def fail(
    session: Session,
    files: FileStore,
    job: Job,
    *,
    code: str,
    message: str,
    owner: str | None = None,
    warnings: Sequence[AudioWarning] | None = None,
) -> Job:
    """Let a job fail for good and drop its segments. A recording that can never be read is deleted.

    Args:
        session: a writing session; the caller commits.
        files: the store of the job's recording.
        job: a running job, or a queued one whose recording is missing.
        code: error code, stored with the job and in the audit trail.
        message: tells the job's owner what went wrong and what to do.
        owner: the worker that holds the lease, for a running job.
        warnings: what is imperfect about the recording; None if it was not read to its end.

    Raises:
        IllegalTransition: see :func:`shared.jobs.lifecycle.transition`.
    """
    after = transition(
        session,
        job,
        Event.FAILED,
        owner=owner,
        code=code,
        chunks_done=0,
        warnings=None if warnings is None else [warning.json() for warning in warnings],
        error_code=code,
        error_message=message,
    )
    drop_segments(session, job.id)
    if code in RECORDING_ERRORS:  # before the commit, so that a job seen as failed has no file
        files.delete(job.file_key)
    return after


def end_cancelled(session: Session, job: Job, *, owner: str) -> Job:
    """End a running job because a cancellation was requested. Its segments are dropped.

    Raises:
        IllegalTransition: see :func:`shared.jobs.lifecycle.transition`.
    """
    after = transition(session, job, Event.CANCELLED, owner=owner, chunks_done=0)
    drop_segments(session, job.id)
    return after


def release(session: Session, job: Job, *, owner: str) -> Job:
    """Return a running job to the queue, due at once, because its worker stops. The attempt does not count.

    If a cancellation was requested, the job is cancelled instead.

    Raises:
        IllegalTransition: see :func:`shared.jobs.lifecycle.transition`.
    """
    if job.cancel_requested:
        return transition(session, job, Event.CANCELLED, owner=owner)
    return transition(session, job, Event.RELEASED, owner=owner, attempt=job.attempt - 1, available_at=now())


def hand_back(
    session: Session,
    job: Job,
    *,
    code: str,
    message: str,
    owner: str | None = None,
    lease_expired: bool = False,
) -> Job:
    """End an attempt that failed for a retryable reason.

    The job is cancelled if that was requested, else queued again with a delay that grows with each attempt.
    After the last attempt it fails with ``attempts_exhausted`` and is kept for an operator.

    Raises:
        IllegalTransition: see :func:`shared.jobs.lifecycle.transition`.
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
        error_message=f"The job was given up after {job.attempt} attempts. Last error: {message}",
    )
