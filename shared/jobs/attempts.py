"""The verbs of a worker: claim a job, renew its lease, and end the attempt in one of five ways."""

import random
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from shrutlekh_contract.audio_warnings import AudioWarning
from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    TextClause,
    bindparam,
    case,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Session

from shared.database_clock import database_now, from_now
from shared.draining import NOT_DRAINING
from shared.errors import ATTEMPTS_EXHAUSTED, RECORDING_ERRORS, IllegalTransition
from shared.files import FileStore
from shared.jobs.lifecycle import JOBS, NOW, Event, transition
from shared.jobs.results import Measurements, Waveform, drop_segments, save_spectrogram, save_waveform
from shared.jobs.tables import QUEUED, RUNNING, Job
from shared.jobs.turns import ORDER
from shared.jobs.usage import book_audio
from shared.orm import detached

BACKOFF_SECONDS = 1.0
GROUPED_AT_MOST = 8
"""Most jobs that are claimed together."""

SHORT_BYTES = 256 * 1024
"""Largest recording that is claimed together with others: 8 s of 16-bit PCM at 16 kHz, some 30 s of MP3."""

_DUE = (QUEUED, Job.available_at <= database_now(), NOT_DRAINING)
_DUE_OF_MODEL = (*_DUE, Job.model == bindparam("model", type_=Job.model.type))


def _next(*due: ColumnElement[bool] | TextClause) -> Select[Any]:
    """Select a worker's share of the due jobs."""
    # In order only for Postgres: it expects queued jobs to lie spread over the table, and would read it from
    # its beginning, past all that have ended, to find the first.
    counted = select(Job.id).where(*due).order_by(*ORDER).limit(bindparam("most", type_=Integer)).subquery()
    waiting = select(func.count()).select_from(counted).scalar_subquery()
    # Half a fair share of what waits, so that all processes finish at about the same time: guided
    # self-scheduling (Polychronopoulos and Kuck 1987).
    share = waiting // (2 * bindparam("workers", type_=Integer))
    chosen = select(*JOBS.c).where(*due).order_by(*ORDER).limit(case((share < 2, 1), else_=share))
    return chosen.with_for_update(skip_locked=True)


_NEXT = _next(*_DUE)
_NEXT_OF_MODEL = _next(*_DUE_OF_MODEL)
_PLACE_OF_MODEL = select(*ORDER).where(*_DUE_OF_MODEL).order_by(*ORDER).limit(1)

_HELD = update(JOBS).where(RUNNING, JOBS.c.lease_owner == bindparam("owner"))
_KEEP_LEASES = _HELD.values(lease_expires_at=from_now("lease_seconds"))
_RENEW = (
    _HELD.where(JOBS.c.id == bindparam("job_id"))
    .values(
        lease_expires_at=from_now("lease_seconds"),
        progress=bindparam("part"),
        chunks_done=bindparam("done"),
        model_version=bindparam("version"),
    )
    .returning(JOBS.c.cancel_requested)
)


def claim(session: Session, owner: str, lease: timedelta, models: Sequence[str] = ()) -> Job | None:
    """Give ``owner`` the lease on the next job; return None if there is none. As `claim_group`."""
    return next(iter(_claim(session, owner, lease, models, workers=1, waiting=1)), None)


def claim_group(
    session: Session, owner: str, lease: timedelta, workers: int, models: Sequence[str] = ()
) -> list[Job]:
    """Give ``owner`` the leases on the next jobs in the order of the queue: one, or a group.

    Only short recordings that were never tried before are claimed together. A recording that ended a worker
    is thus tried alone the next time. While there are fewer than four jobs for each worker, one is claimed at
    a time.

    Args:
        session: a writing session; the caller commits.
        owner: the worker.
        lease: length of the leases.
        workers: how many processes claim jobs.
        models: claim only jobs of these models, and all of a group are of one. Empty: of any.

    Returns:
        The jobs in the order of the queue; empty if none is due, or the operator drains.
    """
    return _claim(session, owner, lease, models, workers=workers, waiting=2 * workers * GROUPED_AT_MOST)


def _claim(
    session: Session, owner: str, lease: timedelta, models: Sequence[str], *, workers: int, waiting: int
) -> list[Job]:
    """Claim the share of one of ``workers`` in the queue, of which up to ``waiting`` jobs are counted."""
    chosen = _due(session, models, {"workers": workers, "most": waiting})
    return [
        transition(
            session,
            job,
            Event.CLAIMED,
            attempt=job.attempt + 1,
            started_at=NOW,
            lease_owner=owner,
            lease_expires_at=lease,
        )
        for job in _group(chosen)
    ]


def _due(session: Session, models: Sequence[str], parameters: dict[str, Any]) -> list[Job]:
    """Select the next jobs, of one of ``models`` if there are any."""
    connection = session.connection()
    if not models:
        return [detached(Job, row) for row in connection.execute(_NEXT, parameters)]
    for model in _in_turn(session, models):
        rows = connection.execute(_NEXT_OF_MODEL, parameters | {"model": model}).all()
        if rows:
            return [detached(Job, row) for row in rows]
    return []


def _in_turn(session: Session, models: Sequence[str]) -> Sequence[str]:
    """Return the models that have a due job, that with the next job first."""
    if len(models) == 1:
        return models
    connection = session.connection()
    places = {model: connection.execute(_PLACE_OF_MODEL, {"model": model}).one_or_none() for model in models}
    found = {model: tuple(place) for model, place in places.items() if place is not None}
    return sorted(found, key=found.__getitem__)


def _group(jobs: Sequence[Job]) -> Sequence[Job]:
    """Return the first job, and those that follow it as long as all may be claimed together."""
    alone = next(
        (index for index, job in enumerate(jobs) if job.attempt or job.file_bytes > SHORT_BYTES), None
    )
    return jobs if alone is None else jobs[: max(alone, 1)]


def keep_leases(session: Session, owner: str, lease: timedelta) -> None:
    """Renew the leases on all jobs that a worker holds, such as the jobs of a group that wait."""
    session.connection().execute(_KEEP_LEASES, {"owner": owner, "lease_seconds": lease.total_seconds()})


def start_over(session: Session, job: Job, *, owner: str, lease: timedelta, model_version: str) -> Job:
    """Let the running attempt begin at the start of the recording, and drop what earlier ones saved.

    For a job whose segments another version of its model has written.

    Returns:
        The job as it is now, with the lease renewed.

    Raises:
        IllegalTransition: see :func:`shared.jobs.lifecycle.transition`.
    """
    after = transition(
        session,
        job,
        Event.RESTARTED,
        owner=owner,
        lease_owner=owner,
        lease_expires_at=lease,
        chunks_done=0,
        model_version=model_version,
    )
    drop_segments(session, job.id)
    return after


def renew(
    session: Session,
    job_id: uuid.UUID,
    owner: str,
    lease: timedelta,
    progress: float,
    chunks_done: int,
    model_version: str | None = None,
) -> bool:
    """Renew the lease and report progress.

    Args:
        session: a writing session; the caller commits.
        job_id: the running job.
        owner: the worker that holds the lease.
        lease: length of the lease from now on.
        progress: fraction of the recording that is done, 0 to 1.
        chunks_done: segments that are in the database when the transaction ends.
        model_version: of the model that made them; None for a job without a transcript.

    Returns:
        True if the worker should continue, False if a cancellation was requested.

    Raises:
        IllegalTransition: the worker no longer holds the lease and must drop its work.
    """
    found = session.connection().execute(
        _RENEW,
        {
            "job_id": job_id,
            "owner": owner,
            "lease_seconds": lease.total_seconds(),
            "part": min(max(progress, 0.0), 1.0),
            "done": chunks_done,
            "version": model_version,
        },
    )
    cancel_requested: bool | None = found.scalar_one_or_none()
    if cancel_requested is None:
        raise IllegalTransition("The lease on the job was lost.")
    return not cancel_requested


def succeed(
    session: Session,
    job: Job,
    *,
    owner: str,
    measured: Measurements,
    waveform: Waveform | None,
    spectrogram: bytes | None = None,
    model_version: str | None = None,
) -> Job:
    """End a running job with its results. Its segments are saved in the same transaction or earlier.

    If a cancellation was requested, the job is cancelled instead.

    Returns:
        The job as it is now: succeeded or cancelled.

    Raises:
        IllegalTransition: see :func:`shared.jobs.lifecycle.transition`.
    """
    try:
        after = _save_success(session, job, owner, measured, model_version)
    except IllegalTransition:
        if _is_to_be_cancelled(session, job.id, owner):
            return end_cancelled(session, job, owner=owner)
        raise
    assert after.finished_at is not None
    book_audio(session, after.tenant, measured.audio_seconds, after.finished_at)
    if waveform is not None:
        save_waveform(session, job.id, waveform)
    if spectrogram is not None:
        save_spectrogram(session, job.id, spectrogram)
    return after


def _save_success(
    session: Session, job: Job, owner: str, measured: Measurements, model_version: str | None
) -> Job:
    return transition(
        session,
        job,
        Event.SUCCEEDED,
        owner=owner,
        unless_cancelled=True,
        progress=1.0,
        model_version=model_version,
        audio_seconds=measured.audio_seconds,
        audio_sample_rate=measured.sample_rate,
        audio_channels=measured.channels,
        speech_seconds=measured.speech_seconds,
        stage_seconds={stage: round(seconds, 4) for stage, seconds in measured.stage_seconds.items()},
        warnings=[warning.json() for warning in measured.warnings],
    )


def _is_to_be_cancelled(session: Session, job_id: uuid.UUID, owner: str) -> bool:
    asked = RUNNING, Job.id == job_id, Job.lease_owner == owner, Job.cancel_requested
    return session.scalar(select(Job.id).where(*asked)) is not None


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
        files.discard(job.file_key)
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
    return _requeue(session, job, owner=owner)


def take_back(session: Session, job: Job, *, code: str, message: str) -> Job:
    """End the attempt of a worker whose lease ran out.

    A worker takes the jobs of a group in queue order. So those behind one that it still holds had not begun:
    they are due again at once, and the attempt does not count. Take back the last one first.

    Raises:
        IllegalTransition: see :func:`shared.jobs.lifecycle.transition`.
    """
    before = tuple_(*ORDER) < tuple_(job.priority, job.turn, job.id)
    earlier = select(Job.id).where(RUNNING, Job.lease_owner == job.lease_owner, before)
    if job.cancel_requested or session.scalar(earlier.limit(1)) is None:
        return hand_back(session, job, lease_expired=True, code=code, message=message)
    return _requeue(session, job, lease_expired=True)


def _requeue(session: Session, job: Job, *, owner: str | None = None, lease_expired: bool = False) -> Job:
    """Return a running job to the queue, due at once. The attempt does not count."""
    return transition(
        session,
        job,
        Event.RELEASED,
        owner=owner,
        lease_expired=lease_expired,
        attempt=job.attempt - 1,
        available_at=NOW,
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
            available_at=timedelta(seconds=pause),
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
