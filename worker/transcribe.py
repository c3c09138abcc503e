"""What a doorbell starts: claim the next jobs, work on one after another, end each in the database."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import structlog
from opentelemetry.trace import Span, SpanKind, StatusCode, get_current_span
from shrutlekh_contract.audio_warnings import AudioWarning, sentences

from shared.announcements import announce
from shared.errors import (
    ATTEMPT_TIMED_OUT,
    AUDIO_IMPERFECT,
    FILE_DAMAGED,
    FILE_MISSING,
    MEMORY_EXHAUSTED,
    WORKER_ERROR,
    DatabaseUnavailable,
    ServiceError,
    StorageFull,
    StorageUnavailable,
)
from shared.files import FileDamaged, Interrupted
from shared.jobs import Job, JobStatus, Measurements, claim_group, count_segments, jobs_held_by, options_of
from shared.traces import context_of, tracer
from speech import Engine, Progress, SpeechError, Transcription
from speech.waveform import SpectrogramMeter
from transcript.words import Segment
from worker import metrics
from worker.ceiling import is_want_of_memory, lift_limit
from worker.group import Claimed, Group
from worker.lease import Lease, Renewal
from worker.outage import outlast
from worker.picture import PICTURE_SAMPLE_RATE, PeakReading, paint, paint_levels, read_peaks
from worker.process import WorkerProcess
from worker.recording import recording_of
from worker.watchdog import Watchdog

SAVE_EVERY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class WornOut(Exception):
    """The process ran out of memory. Its job is handed back; it should end, for its heap is in pieces."""


def answer(process: WorkerProcess, workers: int = 1) -> bool:
    """Claim the next job, or a group of short ones, and see it to its end. False when none was due.

    Args:
        process: this process.
        workers: how many processes claim jobs.

    Raises:
        DatabaseUnavailable: the database went away and stayed away. The lease will expire and the job be
            requeued.
        WornOut: the process must be replaced.
    """
    claimed = _claim(process, workers)
    if not claimed:
        return False
    group = Group(process, claimed)
    try:
        for job, segments in group.jobs(lambda: process.drain.begun):
            with structlog.contextvars.bound_contextvars(job_id=str(job.id)), _span_of(job):
                announce(process.redis, job.id, webhook=False)
                log.info("job_started", attempt=job.attempt, model=job.model, bytes=job.file_bytes)
                try:
                    _work(process, job, segments, group)
                finally:
                    announce(process.redis, job.id, webhook=_may_tell(job))
    finally:
        group.release()
    return True


def _may_tell(job: Job) -> bool:
    """Return whether a webhook may tell the end of the job, alone or as the last of its batch."""
    return job.batch_id is not None or options_of(job).webhook_url is not None


def _claim(process: WorkerProcess, workers: int) -> list[Claimed]:
    """Claim the jobs whose turn it is."""

    def attempt(again: bool) -> list[Claimed]:
        with process.database.write() as session:
            # If the answer to the first try was lost, jobs may have been claimed all the same.
            jobs = jobs_held_by(session, process.name) if again else []
            if not jobs:
                lease = timedelta(seconds=process.settings.lease_seconds)
                models = process.settings.worker_models
                jobs = claim_group(session, process.name, lease, workers, models)
            return [Claimed(job, count_segments(session, job.id) if job.chunks_done else 0) for job in jobs]

    return outlast(attempt, process.settings.lease_seconds, lambda: process.drain.begun)


def _span_of(job: Job) -> AbstractContextManager[Span]:
    """The attempt in the trace of the job's upload."""
    upload = context_of({"traceparent": job.traceparent} if job.traceparent else {})
    attributes: dict[str, str | int] = {
        "shrutlekh.job_id": str(job.id),
        "shrutlekh.attempt": job.attempt,
        "shrutlekh.model": job.model,
        "shrutlekh.bytes": job.file_bytes,
    }
    return tracer.start_as_current_span("attempt", upload, SpanKind.CONSUMER, attributes)


def _work(process: WorkerProcess, job: Job, segments: int, group: Group) -> None:
    """Work on the job within its time limit and the memory ceiling."""
    settings = process.settings
    lease = Lease(process, job, segments, min(SAVE_EVERY_SECONDS, settings.lease_seconds / 4), group)

    def on_timeout(limit: float) -> None:
        log.error("attempt_timed_out", job_id=str(job.id), limit_seconds=round(limit, 3))
        group.release()  # first: a sweeper that finds them alone, their leases over, would count an attempt
        _hand_back(lease, job, ATTEMPT_TIMED_OUT, f"It took longer than {limit:.0f} seconds.")
        announce(process.redis, job.id)

    watchdog = Watchdog(
        settings.attempt_base_seconds,
        settings.attempt_seconds_per_audio_second,
        settings.lease_seconds,  # by then the lease has expired
        on_timeout,
        lease.is_lost,
    )
    with watchdog:
        out_of_memory = _attempt(process, job, lease, watchdog)
        if out_of_memory:  # only here: the error, and all that its frames held, is gone
            lift_limit()
            log.error("memory_exhausted", limit_bytes=settings.worker_memory_bytes)
            _hand_back(lease, job, MEMORY_EXHAUSTED, _memory_message(settings.worker_memory_bytes))
    if out_of_memory:
        raise WornOut


def _attempt(process: WorkerProcess, job: Job, lease: Lease, watchdog: Watchdog) -> bool:
    """Work on the job and end it, whatever goes wrong.

    Returns:
        True if there was not enough memory; the caller then hands the job back.
    """
    try:
        _transcribe(process, job, lease, watchdog)
    except SystemExit:  # a SIGTERM to this very process, as an init system sends it to all of a service
        _release(process, job, lease)
        raise
    except DatabaseUnavailable:
        log.error("database_unavailable")
        raise
    except (StorageUnavailable, StorageFull, Interrupted) as error:
        log.error("recording_not_fetched", error=type(error).__name__)
        _release(process, job, lease)
    except FileDamaged:
        log.error("file_damaged")
        _hand_back(lease, job, FILE_DAMAGED, "The stored recording is not the one that was uploaded.")
    except Exception as error:
        if is_want_of_memory(error):  # also a SpeechError: a model may not load for want of memory
            return True
        if isinstance(error, SpeechError | ServiceError):
            _fail(lease, error.code, error.message)
        else:
            log.exception("attempt_failed")
            _hand_back(lease, job, WORKER_ERROR, f"The worker met an unexpected {type(error).__name__}.")
    return False


def _transcribe(process: WorkerProcess, job: Job, lease: Lease, watchdog: Watchdog) -> None:
    with recording_of(process, job, lease) as path:
        if path is None:
            _fail(lease, FILE_MISSING, "The stored recording is gone. Submit it again.")
        else:
            _recognise(process, job, path, lease, watchdog)


def _recognise(process: WorkerProcess, job: Job, path: Path, lease: Lease, watchdog: Watchdog) -> None:
    """The way of one recording: from its file through the engine to its results in the database.

    After each step of the engine the job is either released (the worker stops), cancelled, dropped (another
    worker has it), or kept: its lease is renewed and what is finished is saved.
    """
    began = time.perf_counter()
    reading = _open(process, job, path, lease)
    if reading is None:
        return
    with (
        tracer.start_as_current_span("transcribe", record_exception=False) as span,
        closing(reading.events) as events,
    ):
        for event in events:
            if isinstance(event, Segment):
                lease.add(event)
            elif isinstance(event, Progress):
                watchdog.heard(event.audio_seconds)
                if process.drain.over:
                    _release(process, job, lease, event)
                    return
                renewal = lease.keep(event)
                if renewal is Renewal.CANCELLED:
                    _cancel(lease)
                    return
                if renewal is Renewal.LOST:
                    return
                if renewal is Renewal.RENEWED:
                    announce(process.redis, job.id, webhook=False)
            else:
                summary = event  # always the last event
        if summary.warnings and options_of(job).strict:
            _fail(lease, AUDIO_IMPERFECT, _imperfect_message(summary.warnings), summary.warnings)
            return
        stage_seconds = dict(summary.stage_seconds)
        waveform = None
        if job.waveform:
            waveform, stage_seconds["waveform"] = paint(process.painter, summary.peaks)
        spectrogram = None
        if reading.levels is not None:
            spectrogram, stage_seconds["spectrogram"] = paint_levels(process.painter, reading.levels)
        span.set_attribute("shrutlekh.audio_seconds", summary.seconds)
        for stage, spent in stage_seconds.items():
            span.set_attribute(f"shrutlekh.{stage}_seconds", spent)
    measured = Measurements(
        audio_seconds=summary.seconds,
        sample_rate=summary.sample_rate,
        channels=summary.channels,
        speech_seconds=summary.speech_seconds if job.transcript else None,
        stage_seconds=stage_seconds,
        warnings=summary.warnings,
    )
    worked = time.perf_counter()
    with tracer.start_as_current_span("commit", record_exception=False):
        status = lease.succeed(measured, waveform, spectrogram)
    if status is JobStatus.CANCELLED:
        _count_cancelled()
    elif status is not None:
        ended = time.perf_counter()
        metrics.count_success(measured, summary.fills, seconds=ended - began, commit=ended - worked)
        seconds = round(ended - began, 3)
        codes = [warning.code.value for warning in summary.warnings]
        log.info("job_succeeded", audio_seconds=round(summary.seconds, 3), seconds=seconds, warnings=codes)


class _Reading(NamedTuple):
    """A recording as events, which are to be closed, and what measures its spectrogram, if one is wanted."""

    events: Transcription | PeakReading
    levels: SpectrogramMeter | None


def _open(process: WorkerProcess, job: Job, path: Path, lease: Lease) -> _Reading | None:
    """Open the recording. None if the lease was lost.

    Raises:
        ModelNotInstalled: the job's model is gone.
        SpeechError: the recording can't be read or is too long, or the model is invalid.
    """
    max_seconds = process.settings.max_audio_seconds
    options = options_of(job)
    engine = _engine_for(process, job, lease) if job.transcript else None
    rate = engine.folder.sample_rate if engine else PICTURE_SAMPLE_RATE
    levels = SpectrogramMeter(rate) if options.spectrogram else None
    meters = () if levels is None else (levels,)
    if engine is None:
        return _Reading(read_peaks(path, max_seconds, meters), levels)
    skip_chunks = lease.begin(engine.folder.version)
    if skip_chunks is None:
        return None
    events = engine.transcribe(
        path, max_seconds=max_seconds, skip_chunks=skip_chunks, options=options, meters=meters
    )
    return _Reading(events, levels)


def _engine_for(process: WorkerProcess, job: Job, lease: Lease) -> Engine:
    """Return the engine of the job's model. If it must be loaded, the lease is renewed meanwhile."""
    if process.engines.has_current(job.model):
        return process.engines.get(job.model)
    with lease.renewing():
        return process.engines.get(job.model)


def _release(process: WorkerProcess, job: Job, lease: Lease, progress: Progress | None = None) -> None:
    if lease.release(progress):
        log.info("job_released")
        process.queue.ring_for(process.redis, job.model, [job.id])


def _cancel(lease: Lease) -> None:
    if lease.cancel():
        _count_cancelled()


def _count_cancelled() -> None:
    metrics.JOBS_ENDED.labels("cancelled", "").inc()
    log.info("job_cancelled")


def _fail(lease: Lease, code: str, message: str, warnings: Sequence[AudioWarning] | None = None) -> None:
    get_current_span().set_status(StatusCode.ERROR, code)
    if lease.fail(code, message, warnings):
        metrics.JOBS_ENDED.labels("failed", code).inc()
        log.info("job_failed", error_code=code, error_message=message)


def _hand_back(lease: Lease, job: Job, code: str, message: str) -> None:
    if lease.hand_back(code, message):
        metrics.count_broken_attempt(code, is_last=job.attempt >= job.max_attempts)


def _imperfect_message(warnings: Sequence[AudioWarning]) -> str:
    return f"{sentences(warnings)} The job was strict: submit it without `strict` to have what can be heard."


def _memory_message(limit: int) -> str:
    ceiling = f" of {limit / 2**20:.0f} MiB" if limit else ""
    return f"It needed more memory than a worker may use{ceiling}."
