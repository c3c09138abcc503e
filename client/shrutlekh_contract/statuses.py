"""The states of a job and its priorities."""

from enum import IntEnum, StrEnum


class JobStatus(StrEnum):
    """The states of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended; it then changes only at a person's request."""
        return self in FINAL

    @property
    def sentence(self) -> str:
        """The meaning of the state as a sentence for people."""
        return _SENTENCES[self]


FINAL = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED})

_SENTENCES = {
    JobStatus.QUEUED: "It waits for a worker.",
    JobStatus.RUNNING: "A worker holds a lease on it.",
    JobStatus.SUCCEEDED: "Its result is stored.",
    JobStatus.FAILED: "It ended without a result; `error` says why.",
    JobStatus.CANCELLED: "Its owner stopped it.",
}


class Priority(IntEnum):
    """Priority of a job. Jobs of a higher priority always go first."""

    HIGH = 0
    NORMAL = 1
    LOW = 2

    @property
    def word(self) -> str:
        """The name in forms and answers: "high", "normal" or "low"."""
        return self.name.lower()

    @classmethod
    def named(cls, word: str) -> "Priority":
        """Return the priority with this :attr:`word`.

        Raises:
            KeyError: the word is unknown.
        """
        return cls[word.upper()]
