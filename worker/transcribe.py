"""One doorbell, one job: claim it, work on it, end it in the database."""

import time
from contextlib import AbstractContextManager
from datetime import timedelta

import structlog
from opentelemetry.trace import Span, SpanKind, StatusCode, get_current_span

from shared.announcements import announce
from shared.draining import is_draining
from shared.errors import (
    ATTEMPT_TIMED_OUT,
    FILE_MISSING,
    MEMORY_EXHAUSTED,
    WORKER_ERROR,
    DatabaseUnavailable,
    IllegalTransition,
    ServiceError,
)
from shared.jobs import Job, claim, count_segments, job_held_by, options_of
from shared.traces import context_of, tracer
from speech import SpeechError
from worker import metrics
from worker.ceiling import is_want_of_memory, lift_limit
from worker.lease import Cancelled, Lease, Released
from worker.outage import outlast
from worker.process import WorkerProcess
from worker.recording import Outcome, Step, draw, transcribe
from worker.watchdog import Watchdog

SAVE_EVERY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class WornOut(Exception):
    """The process ran out of memory. Its job is handed back; it should end, for its heap is in pieces."""


def answer(process: WorkerProcess) -> bool:
    """Claim the next job and see it to its end. False when none was due.

    Raises:
        DatabaseUnavailable: the database went away and stayed away; a lease will run out and its job come
            back.
        WornOut: see there.
    """
    claimed = _claim(process)
    if claimed is None:
        return False
    job, segments = claimed
    with structlog.contextvars.bound_contextvars(job_id=str(job.id)), _span_of(job):
        announce(process.redis, job.id)
        log.info("job_started", attempt=job.attempt, model=job.model, bytes=job.file_bytes)
        try:
            _work(process, job, segments)
        finally:
            announce(process.redis, job.id)
    return True


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


def _claim(process: WorkerProcess) -> tuple[Job, int] | None:
    """The job whose turn it is, and the number of its segments that are saved."""

    def attempt(again: bool) -> tuple[Job, int] | None:
        with process.database.write() as session:
            # If the answer to the first try was lost, the job may have been claimed all the same.
            job = job_held_by(session, process.name) if again else None
            if job is None and not is_draining(process.settings.data_dir):
                job = claim(session, process.name, timedelta(seconds=process.settings.lease_seconds))
            if job is None:
                return None
            return job, count_segments(session, job.id) if job.chunks_done else 0

    return outlast(attempt, process.settings.lease_seconds, lambda: process.drain.begun)


def _work(process: WorkerProcess, job: Job, segments: int) -> None:
    settings = process.settings
    lease = Lease(process, job, segments, min(SAVE_EVERY_SECONDS, settings.lease_seconds / 4))

    def on_timeout(limit: float) -> None:
        log.error("attempt_timed_out", job_id=str(job.id), limit_seconds=round(limit, 3))
        _hand_back(lease, job, ATTEMPT_TIMED_OUT, f"It took longer than {limit:.0f} seconds.")
        announce(process.redis, job.id)

    watchdog = Watchdog(
        settings.attempt_base_seconds,
        settings.attempt_seconds_per_audio_second,
        settings.lease_seconds,  # by then the lease has run out
        on_timeout,
        lease.is_lost,
    )
    with watchdog:
        starved = _attempt(process, job, lease, watchdog)
        if starved:  # only here: the error, and all that its frames held, is gone
            lift_limit()
            log.error("memory_exhausted", limit_bytes=settings.worker_memory_bytes)
            _hand_back(lease, job, MEMORY_EXHAUSTED, _memory_message(settings.worker_memory_bytes))
    if starved:
        raise WornOut


def _attempt(process: WorkerProcess, job: Job, lease: Lease, watchdog: Watchdog) -> bool:
    """Work on the job and end it; True if there was no memory for that, and the job is still to end."""
    began = time.perf_counter()
    try:
        with tracer.start_as_current_span("transcribe", record_exception=False) as span:
            outcome = _run(process, job, lease, watchdog)
            span.set_attribute("shrutlekh.audio_seconds", outcome.seconds)
            for stage, spent in outcome.stage_seconds.items():
                span.set_attribute(f"shrutlekh.{stage}_seconds", spent)
        worked = time.perf_counter()
        with tracer.start_as_current_span("commit", record_exception=False):
            succeeded = lease.succeed(outcome)
        if succeeded:
            ended = time.perf_counter()
            metrics.count_success(ended - began, outcome, ended - worked)
            seconds = round(ended - began, 3)
            log.info("job_succeeded", audio_seconds=round(outcome.seconds, 3), seconds=seconds)
    except Cancelled:
        if lease.cancel():
            metrics.JOBS_ENDED.labels("cancelled", "").inc()
            log.info("job_cancelled")
    except Released:
        log.info("job_released")
        process.queue.ring(job.id)
    except SystemExit:  # a SIGTERM to this very process, as an init system sends it to all of a service
        if lease.release():
            log.info("job_released")
            process.queue.ring(job.id)
        raise
    except IllegalTransition:
        return False  # the lease was lost, and whoever has the job now goes on with it
    except DatabaseUnavailable:
        log.error("database_unavailable")
        raise
    except (SpeechError, ServiceError) as error:
        if is_want_of_memory(error):  # a model that could not be loaded for it, for example
            return True
        _fail(lease, error.code, error.message)
    except FileNotFoundError:
        _fail(lease, FILE_MISSING, "The stored recording is gone. Submit it again.")
    except Exception as error:
        if is_want_of_memory(error):
            return True
        log.exception("attempt_failed")
        _hand_back(lease, job, WORKER_ERROR, f"The worker met an unexpected {type(error).__name__}.")
    return False


def _run(process: WorkerProcess, job: Job, lease: Lease, watchdog: Watchdog) -> Outcome:
    def on_progress(step: Step) -> None:
        watchdog.heard(step.audio_seconds)
        if lease.keep(step):
            announce(process.redis, job.id)

    settings = process.settings
    path = process.files.path(job.file_key)
    if not path.is_file():
        raise FileNotFoundError(path)
    if not job.transcript:
        return draw(path, settings.max_audio_seconds, process.painter, on_progress)
    engine = process.engines.get(job.model)
    painter = process.painter if job.waveform else None
    return transcribe(
        path,
        settings.max_audio_seconds,
        engine,
        painter,
        lease.add,
        on_progress,
        job.chunks_done,
        options_of(job),
    )


def _fail(lease: Lease, code: str, message: str) -> None:
    get_current_span().set_status(StatusCode.ERROR, code)
    if lease.fail(code, message):
        metrics.JOBS_ENDED.labels("failed", code).inc()
        log.info("job_failed", error_code=code, error_message=message)


def _hand_back(lease: Lease, job: Job, code: str, message: str) -> None:
    if lease.hand_back(code, message):
        metrics.count_broken_attempt(code, is_last=job.attempt >= job.max_attempts)


def _memory_message(limit: int) -> str:
    ceiling = f" of {limit / 2**20:.0f} MiB" if limit else ""
    return f"It needed more memory than a worker may use{ceiling}."
