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
        """True for the states in which nothing more happens by itself."""
        return self in FINAL

    @property
    def sentence(self) -> str:
        """What the state means, for people."""
        return _SENTENCES[self]


FINAL = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED})

_SENTENCES = {
    JobStatus.QUEUED: "It waits for a worker.",
    JobStatus.RUNNING: "A worker holds a lease on it.",
    JobStatus.SUCCEEDED: "Its result is stored.",
    JobStatus.FAILED: "It ended without a result; its error says why.",
    JobStatus.CANCELLED: "Its owner stopped it.",
}


class Priority(IntEnum):
    """Jobs of a higher level go first, always."""

    HIGH = 0
    NORMAL = 1
    LOW = 2

    @property
    def word(self) -> str:
        """The level as forms and answers name it: "high", "normal" or "low"."""
        return self.name.lower()

    @classmethod
    def named(cls, word: str) -> "Priority":
        """The level of a :attr:`word`.

        Raises:
            KeyError: there is no such level.
        """
        return cls[word.upper()]
