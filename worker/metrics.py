"""What workers and the sweeper count. `worker.exposition` hands it to Prometheus."""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

from shared.errors import ATTEMPTS_EXHAUSTED, LEASE_EXPIRED
from shared.jobs import Measurements

JOBS_ENDED = Counter(
    "shrutlekh_jobs_ended",
    "Jobs that this worker or sweeper ended, by how and with which error code.",
    ["status", "code"],
)
ATTEMPTS_BROKEN = Counter(
    "shrutlekh_attempts_broken",
    "Attempts that ended without a result, through no fault of the recording.",
    ["code"],
)
LEASES_EXPIRED = Counter("shrutlekh_leases_expired", "Leases of workers that fell silent.")
DOORBELLS_REPEATED = Counter("shrutlekh_doorbells_repeated", "Messages for due jobs that none waited for.")
JOBS_ERASED = Counter("shrutlekh_jobs_erased", "Jobs erased because they were kept long enough.")
AUDIO_SECONDS = Counter("shrutlekh_audio_seconds", "Seconds of audio in jobs that succeeded.")
SPEECH_SECONDS = Counter("shrutlekh_speech_seconds", "Seconds of it taken for speech.")
STAGE_SECONDS = Counter(
    "shrutlekh_stage_seconds",
    "Seconds of wall clock that jobs which succeeded spent in each stage.",
    ["stage"],
)
REAL_TIME_FACTOR = Histogram(
    "shrutlekh_real_time_factor",
    "Seconds of wall clock for a second of audio, by job.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0),
)
BATCH_FILL = Histogram(
    "shrutlekh_batch_fill",
    "Part of a run of the graph that is audio and not padding.",
    buckets=(0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99, 1.0),
)
WARM_UP_SECONDS = Gauge(
    "shrutlekh_warm_up_seconds",
    "Longest time in seconds that a process took to load its model and warm it.",
    multiprocess_mode="max",
)

# Prometheus sees no rise in a counter that begins above zero.
JOBS_ENDED.labels("failed", ATTEMPTS_EXHAUSTED)
ATTEMPTS_BROKEN.labels(LEASE_EXPIRED)


def count_success(measured: Measurements, fills: Iterable[float], *, seconds: float, commit: float) -> None:
    """Count a job that succeeded.

    Args:
        fills: part of each batch that was audio and not padding.
        seconds: wall clock of the attempt.
        commit: part of it that the last transaction took.
    """
    JOBS_ENDED.labels("succeeded", "").inc()
    AUDIO_SECONDS.inc(measured.audio_seconds)
    SPEECH_SECONDS.inc(measured.speech_seconds or 0.0)
    for stage, spent in (measured.stage_seconds | {"commit": commit}).items():
        STAGE_SECONDS.labels(stage).inc(spent)
    for fill in fills:
        BATCH_FILL.observe(fill)
    if measured.audio_seconds:  # an empty recording has no factor
        REAL_TIME_FACTOR.observe(seconds / measured.audio_seconds)


def count_broken_attempt(code: str, is_last: bool) -> None:
    """Count an attempt that ended with ``code`` through no fault of the recording; maybe the job's last."""
    ATTEMPTS_BROKEN.labels(code).inc()
    if is_last:
        JOBS_ENDED.labels("failed", ATTEMPTS_EXHAUSTED).inc()
