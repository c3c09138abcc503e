"""Whether two requests with one idempotency key are the same request."""

from shared.jobs.tables import Job

# What a second request with the same key must share with the first.
SAME = (
    "file_sha256",
    "model",
    "transcript",
    "waveform",
    "decoder",
    "channels",
    "hotwords",
    "hotword_weight",
    "priority",
)


def is_same_request(first: Job, second: Job) -> bool:
    """True when two jobs of one key ask for the same thing."""
    return all(getattr(first, name) == getattr(second, name) for name in SAME)
