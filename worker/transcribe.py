"""One doorbell, one job: claim it, work on it, end it in the database."""

import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from shared.changes import announce
from shared.errors import (
    FILE_MISSING,
    RECORDING_ERRORS,
    WORKER_ERROR,
    DatabaseUnavailable,
    IllegalTransition,
    JobNotFound,
    ServiceError,
)
from shared.jobs import get_job
from shared.lifecycle import Event, claim_next, hand_back, transition
from shared.tables import Job, SegmentRow, WaveformRow
from speech.errors import SpeechError
from worker.lease import Cancelled, Lease
from worker.process import WorkerProcess
from worker.recording import Outcome, draw, transcribe

SAVE_EVERY_SECONDS = 1.0

log = structlog.get_logger(__name__)


def answer(process: WorkerProcess) -> bool:
    """Claim the next job and see it to its end. False when none was due.

    Raises:
        DatabaseUnavailable: the database went away; the lease will run out and the job come back.
    """
    settings = process.settings
    with process.database.write() as session:
        job = claim_next(session, process.name, timedelta(seconds=settings.lease_seconds))
        if job is not None and job.attempt > 1:
            session.execute(delete(SegmentRow).where(SegmentRow.job_id == job.id))
    if job is None:
        return False
    with structlog.contextvars.bound_contextvars(job_id=str(job.id)):
        announce(process.redis, job.id)
        log.info("job_started", attempt=job.attempt, model=job.model, bytes=job.file_bytes)
        _work(process, job)
        announce(process.redis, job.id)
    return True


def _work(process: WorkerProcess, job: Job) -> None:
    began = time.perf_counter()
    every = min(SAVE_EVERY_SECONDS, process.settings.lease_seconds / 4)
    lease = Lease(process.database, job.id, process.name, process.settings.lease_seconds, every)
    try:
        path = process.files.path(job.file_key)
        outcome = _run(process, job, path, lease)
        with process.database.write() as session:
            _save(session, job, lease, outcome)
        log.info(
            "job_succeeded",
            audio_seconds=round(outcome.seconds, 3),
            seconds=round(time.perf_counter() - began, 3),
        )
    except Cancelled:
        _end(process, job, Event.CANCELLED)
    except IllegalTransition:
        log.warning("lease_lost")
    except DatabaseUnavailable:
        log.error("database_unavailable")
        raise
    except (SpeechError, ServiceError) as error:
        _fail(process, job, error.code, error.message)
    except FileNotFoundError:
        _fail(process, job, FILE_MISSING, "The stored recording is gone. Submit it again.")
    except Exception as error:
        log.exception("attempt_failed")
        _hand_back(process, job, f"The worker met an unexpected {type(error).__name__}.")


def _run(process: WorkerProcess, job: Job, path: Path, lease: Lease) -> Outcome:
    def on_progress(progress: float) -> None:
        if lease.keep(progress):
            announce(process.redis, job.id)

    settings = process.settings
    if not path.is_file():
        raise FileNotFoundError(path)
    if not job.transcript:
        return draw(path, settings.max_audio_seconds, process.painter, on_progress)
    engine = process.engines.get(job.model)
    painter = process.painter if job.waveform else None
    return transcribe(path, settings.max_audio_seconds, engine, painter, lease.add, on_progress)


def _save(session: Session, job: Job, lease: Lease, outcome: Outcome) -> None:
    transition(
        session,
        job,
        Event.SUCCEEDED,
        owner=lease.owner,
        progress=1.0,
        audio_seconds=outcome.seconds,
        audio_sample_rate=outcome.sample_rate,
        audio_channels=outcome.channels,
        stage_seconds={stage: round(seconds, 4) for stage, seconds in outcome.stage_seconds.items()},
    )
    lease.save_segments(session)
    if outcome.png is not None:
        session.execute(insert(WaveformRow).values(job_id=job.id, png=outcome.png, peaks=outcome.peaks))


def _end(process: WorkerProcess, job: Job, event: Event, *, keep_file: bool = True, **changes: Any) -> None:
    try:
        with process.database.write() as session:
            session.execute(delete(SegmentRow).where(SegmentRow.job_id == job.id))
            transition(session, job, event, owner=process.name, code=changes.get("error_code"), **changes)
            if not keep_file:  # before the commit: whoever sees the end finds nothing left
                process.files.delete(job.file_key)
    except IllegalTransition:
        log.warning("lease_lost")
    else:
        log.info("job_ended", outcome=event.value, **changes)


def _hand_back(process: WorkerProcess, job: Job, message: str) -> None:
    with suppress(IllegalTransition, JobNotFound), process.database.write() as session:
        hand_back(session, get_job(session, job.id), owner=process.name, code=WORKER_ERROR, message=message)


def _fail(process: WorkerProcess, job: Job, code: str, message: str) -> None:
    """End the job for good. A recording that can never be read is not kept."""
    keep_file = code not in RECORDING_ERRORS
    _end(process, job, Event.FAILED, keep_file=keep_file, error_code=code, error_message=message)
