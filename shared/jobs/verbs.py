"""The verbs of a job's owner and of the operator: submit, cancel, retry, erase."""

import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import delete, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shared.database import Database
from shared.errors import RECORDING_ERRORS, IllegalTransition, RecordingGone
from shared.files import FileStore
from shared.jobs.batch_queries import reopen_batch
from shared.jobs.lifecycle import NOW, TRANSITIONS, Event, event_row, save_events, transition
from shared.jobs.queries import get_job
from shared.jobs.selection import Selection
from shared.jobs.tables import Job, JobStatus, Priority
from shared.jobs.turns import give_turns
from shared.keys import NO_TENANT

# How often :func:`cancel_or_erase` tries if the job's state changes meanwhile.
TRIES = 10
# Of the columns that a new job need not have.
DEFAULTS: Final[Mapping[str, Any]] = {
    "tenant": NO_TENANT,
    "folder": "",
    "client": "",
    "priority": Priority.NORMAL,
    "options": {},
}

_COLUMNS: Final = tuple(Job.__table__.columns.keys())
_INSERT_JOB: Final = insert(Job.__table__)


def submit(session: Session, *jobs: Job) -> None:
    """Insert new jobs as queued, each with its turn and its first event. All get the same creation time.

    The objects are given the values of their rows, but the session does not know them.
    """
    for job in jobs:
        for name, value in DEFAULTS.items():
            if getattr(job, name) is None:
                setattr(job, name, value)
    moment = give_turns(session, jobs)
    for job in jobs:
        job.status = JobStatus.QUEUED
        job.created_at = job.available_at = moment
        job.progress = 0.0
        job.chunks_done = job.revisions = 0
        job.attempt = 0
        job.cancel_requested = False
    # Without the session's unit of work, which costs several times as much.
    session.execute(_INSERT_JOB, [{name: getattr(job, name) for name in _COLUMNS} for job in jobs])
    save_events(
        session,
        [event_row(job.id, Event.SUBMITTED, None, JobStatus.QUEUED, 0) for job in jobs],
    )


def submit_once(session: Session, *jobs: Job, look_first: bool = True) -> list[Job]:
    """Insert the jobs whose idempotency key is not taken.

    Args:
        session: a writing session; the caller commits.
        jobs: new jobs, with or without a key.
        look_first: query for the keys first. If false, skip this query; a taken key then surfaces only as
            IntegrityError.

    Returns:
        For each job: the job itself, or the existing job with its key. The caller must check whether both are
        the same request, see :func:`shared.jobs.idempotency.is_same_request`.

    Raises:
        IntegrityError: if :func:`is_key_taken`, another transaction took a key. Try again with ``look_first``
            to find its job.
    """
    keys = {_key_of(job) for job in jobs if job.idempotency_key is not None}
    holders: dict[tuple[str, str | None], Job] = {}
    if keys and look_first:
        # The first condition lets SQLite use the index of the keys.
        with_key = Job.idempotency_key.is_not(None), tuple_(Job.tenant, Job.idempotency_key).in_(keys)
        found = session.scalars(select(Job).where(*with_key))
        holders = {_key_of(job): job for job in found}
    result, new = [], []
    for job in jobs:
        holder = holders.get(_key_of(job))
        if holder is None:
            holder = job
            new.append(job)
            if job.idempotency_key is not None:
                holders[_key_of(job)] = job
        result.append(holder)
    if new:
        # Sorted, so that two processes with the same keys cannot deadlock.
        submit(session, *sorted(new, key=lambda job: (job.tenant, job.idempotency_key or "")))
    return result


def is_key_taken(error: IntegrityError) -> bool:
    """Return whether the database rejected a job because its idempotency key is taken."""
    return Job.idempotency_key.key in str(error.orig)


def cancel(session: Session, job_id: uuid.UUID, tenant: str | None = None) -> Job:
    """Cancel a queued job at once, or ask the worker of a running job to stop.

    Args:
        tenant: whose job it must be; None for anybody's.

    Returns:
        The job as it is now: cancelled, or running with ``cancel_requested``.

    Raises:
        JobNotFound: as :func:`shared.jobs.queries.get_job`.
        IllegalTransition: the job has ended, or its state has just changed.
    """
    job = get_job(session, job_id, tenant)
    if job.status is not JobStatus.RUNNING:
        return transition(session, job, Event.CANCELLED)
    asked = session.scalars(
        update(Job)
        .where(Job.id == job_id, Job.status == JobStatus.RUNNING)
        .values(cancel_requested=True)
        .returning(Job)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).one_or_none()
    if asked is None:
        raise IllegalTransition("The job's state has just changed. Look at it again.")
    return asked


def retry(
    session: Session, files: FileStore, job_id: uuid.UUID, attempts: int, tenant: str | None = None
) -> Job:
    """Queue a failed or cancelled job for ``attempts`` more attempts. Saved segments are kept.

    The job's batch is then unfinished again.

    Args:
        tenant: whose job it must be; None for anybody's.

    Raises:
        JobNotFound: as :func:`shared.jobs.queries.get_job`.
        IllegalTransition: the job has neither failed nor been cancelled.
        RecordingGone: the recording is no longer stored.
    """
    job = get_job(session, job_id, tenant)
    if job.status in TRANSITIONS[Event.RETRIED].sources:
        if not _is_kept(files, job):
            raise RecordingGone("The recording is no longer stored. Submit it again.")
        if job.batch_id is not None:
            reopen_batch(session, job.batch_id)
        give_turns(session, [job])
    return transition(
        session,
        job,
        Event.RETRIED,
        turn=job.turn,
        progress=job.progress if job.chunks_done else 0.0,
        available_at=NOW,
        max_attempts=job.attempt + attempts,
        cancel_requested=False,
    )


def erase(database: Database, files: FileStore, job_id: uuid.UUID) -> None:
    """Erase a finished job with its events, results and recording.

    Raises:
        JobNotFound: no job has this id.
        IllegalTransition: the job has not ended, or its state has just changed.
    """
    with database.write() as session:
        job = get_job(session, job_id)
        if not job.status.is_final:
            raise IllegalTransition(f"The job can't be erased now: it is {job.status}.")
        keys = _delete(session, [job_id])
    if not keys:
        raise IllegalTransition("The job's state has just changed. Look at it again.")
    _delete_files(files, keys)


def erase_finished(database: Database, files: FileStore, selection: Selection, at_most: int) -> int:
    """Erase up to ``at_most`` finished jobs of a selection with their recordings, in one transaction.

    Jobs that ended first are erased first. Several processes may erase at the same time.

    Returns:
        The number of jobs erased.
    """
    with database.write() as session:
        chosen = session.scalars(
            select(Job.id)
            .where(*selection.finished_conditions())
            .order_by(Job.finished_at)
            .limit(at_most)
            .with_for_update(skip_locked=True)
        ).all()
        keys = _delete(session, chosen)
    _delete_files(files, keys)
    return len(keys)


def cancel_or_erase(
    database: Database, files: FileStore, job_id: uuid.UUID, tenant: str | None = None
) -> Job | None:
    """Cancel a job that has not ended, or erase one that has.

    Args:
        tenant: whose job it must be; None for anybody's.

    Returns:
        The job as it is now, or None if it was erased.

    Raises:
        JobNotFound: as :func:`shared.jobs.queries.get_job`.
        IllegalTransition: the state changed during each of several tries.
    """
    for _ in range(TRIES - 1):
        with suppress(IllegalTransition):  # a worker changed the state first
            return _cancel_or_erase(database, files, job_id, tenant)
    return _cancel_or_erase(database, files, job_id, tenant)


def _cancel_or_erase(
    database: Database, files: FileStore, job_id: uuid.UUID, tenant: str | None
) -> Job | None:
    try:
        with database.write() as session:
            return cancel(session, job_id, tenant)
    except IllegalTransition:
        erase(database, files, job_id)
        return None


def _key_of(job: Job) -> tuple[str, str | None]:
    """Return the tenant and the idempotency key."""
    return job.tenant or NO_TENANT, job.idempotency_key


def _is_kept(files: FileStore, job: Job) -> bool:
    # After a failure caused by the recording, the worker deletes the file; perhaps it has not yet done so.
    return job.error_code not in RECORDING_ERRORS and files.exists(job.file_key)


def _delete(session: Session, job_ids: Sequence[uuid.UUID]) -> Sequence[str]:
    """Delete those of the jobs that have ended, with events and results (cascade); return their file keys."""
    ended = Job.id.in_(job_ids), Job.finished_at.is_not(None)
    return session.scalars(delete(Job).where(*ended).returning(Job.file_key)).all()


def _delete_files(files: FileStore, keys: Sequence[str]) -> None:
    # Called after the commit: a crash in between leaves files without a job, which the sweeper deletes.
    if keys:
        files.discard(*keys)
