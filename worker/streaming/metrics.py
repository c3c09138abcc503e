"""Metrics of a live worker. `worker.exposition` serves them to Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

SESSIONS = Gauge("shrutlekh_live_sessions", "Live sessions in progress.")
SESSIONS_ENDED = Counter(
    "shrutlekh_live_sessions_ended",
    "Live sessions that ended, by error code; empty for a complete text.",
    ["code"],
)
AUDIO_SECONDS = Counter("shrutlekh_live_audio_seconds", "Seconds of audio in live sessions.")
PARTIAL_SECONDS = Histogram(
    "shrutlekh_live_partial_seconds",
    "Seconds from the arrival of audio at the worker until the first partial text that covers it is sent.",
    buckets=(0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0),
)
