"""Metrics of workers and the sweeper. `worker.exposition` serves them to Prometheus."""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

from shared.errors import ATTEMPTS_EXHAUSTED, LEASE_EXPIRED
from shared.jobs import Measurements

JOBS_ENDED = Counter(
    "shrutlekh_jobs_ended",
    "Jobs that this worker or sweeper ended, by final status and error code.",
    ["status", "code"],
)
ATTEMPTS_BROKEN = Counter(
    "shrutlekh_attempts_broken",
    "Attempts that ended without a result and not because of the recording.",
    ["code"],
)
LEASES_EXPIRED = Counter("shrutlekh_leases_expired", "Expired leases of workers that stopped renewing them.")
DOORBELLS_REPEATED = Counter(
    "shrutlekh_doorbells_repeated", "Doorbells that the sweeper sent again for queued jobs without one."
)
JOBS_ERASED = Counter("shrutlekh_jobs_erased", "Jobs erased at the end of their retention period.")
AUDIO_SECONDS = Counter("shrutlekh_audio_seconds", "Seconds of audio in succeeded jobs.")
SPEECH_SECONDS = Counter("shrutlekh_speech_seconds", "Seconds classified as speech in succeeded jobs.")
AUDIO_WARNINGS = Counter(
    "shrutlekh_audio_warnings", "Warnings about the recordings of succeeded jobs, by code.", ["code"]
)
STAGE_SECONDS = Counter(
    "shrutlekh_stage_seconds",
    "Wall-clock seconds that succeeded jobs spent in each stage.",
    ["stage"],
)
REAL_TIME_FACTOR = Histogram(
    "shrutlekh_real_time_factor",
    "Wall-clock seconds per second of audio, per job.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0),
)
BATCH_FILL = Histogram(
    "shrutlekh_batch_fill",
    "Fraction of a batch's input that is audio rather than padding.",
    buckets=(0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99, 1.0),
)
WARM_UP_SECONDS = Gauge(
    "shrutlekh_warm_up_seconds",
    "Longest time in seconds that a process took to load and warm its model.",
    multiprocess_mode="max",
)
MODEL_LOAD_SECONDS = Histogram(
    "shrutlekh_model_load_seconds",
    "Seconds that a process took to load and warm a model, by model.",
    ["model"],
    buckets=(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0),
)
MODEL_EVICTIONS = Counter(
    "shrutlekh_model_evictions",
    "Models that a process unloaded to make room for another, by model.",
    ["model"],
)
MODEL_BYTES = Gauge(
    "shrutlekh_model_bytes",
    "Largest memory in bytes that the model took in one process, by model.",
    ["model"],
    multiprocess_mode="max",
)
WEBHOOK_DELIVERIES = Counter(
    "shrutlekh_webhook_deliveries",
    "Tries at delivering webhooks: delivered, failed (and to be tried again), or given up.",
    ["outcome"],
)

# Create these at 0: Prometheus does not see the increase of a counter whose first sample is above zero.
JOBS_ENDED.labels("failed", ATTEMPTS_EXHAUSTED)
ATTEMPTS_BROKEN.labels(LEASE_EXPIRED)
WEBHOOK_DELIVERIES.labels("given_up")


def count_success(measured: Measurements, fills: Iterable[float], *, seconds: float, commit: float) -> None:
    """Count a succeeded job.

    Args:
        measured: figures of the recording and the attempt.
        fills: part of each batch that was audio and not padding.
        seconds: wall-clock time of the attempt.
        commit: seconds that the last transaction took, included in ``seconds``.
    """
    JOBS_ENDED.labels("succeeded", "").inc()
    AUDIO_SECONDS.inc(measured.audio_seconds)
    SPEECH_SECONDS.inc(measured.speech_seconds or 0.0)
    for warning in measured.warnings:
        AUDIO_WARNINGS.labels(warning.code.value).inc()
    for stage, spent in (measured.stage_seconds | {"commit": commit}).items():
        STAGE_SECONDS.labels(stage).inc(spent)
    for fill in fills:
        BATCH_FILL.observe(fill)
    if measured.audio_seconds:  # undefined for an empty recording
        REAL_TIME_FACTOR.observe(seconds / measured.audio_seconds)


def count_broken_attempt(code: str, is_last: bool) -> None:
    """Count an attempt that ended with ``code``, not because of the recording.

    Args:
        code: error code of the attempt.
        is_last: whether it was the job's last attempt, so that the job failed.
    """
    ATTEMPTS_BROKEN.labels(code).inc()
    if is_last:
        JOBS_ENDED.labels("failed", ATTEMPTS_EXHAUSTED).inc()
