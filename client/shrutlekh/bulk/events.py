"""What happens in a run: events on the way, and the outcome of each recording."""

from dataclasses import dataclass, field

from shrutlekh.answers import JobWarning


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A recording has reached the service."""

    source: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """The service does not accept a recording yet, for example because its queue is full."""

    source: str
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Stalled:
    """No worker takes jobs, or the service does not answer. Told once, until the reason changes."""

    reason: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """Workers take jobs again."""


@dataclass(frozen=True, slots=True)
class Renamed:
    """Outputs of an earlier run have a new name, because of other recordings beside theirs.

    Attributes:
        before, after: paths of the outputs without extension.
    """

    source: str
    before: str
    after: str


Event = Uploaded | Waiting | Stalled | Resumed | Renamed


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a recording.

    Attributes:
        status: "succeeded", "failed", "cancelled", "skipped" (an earlier run did it), "fetched" (outputs were
            fetched from an earlier run's job) or, without waiting, the state of the submitted job.
        seconds: length of the audio; processing_seconds: wall-clock time of the worker.
        error: code and sentence, if it failed.
        warnings: what is imperfect about the recording.
        is_taken_up: whether the job is an earlier run's, without waiting.
        kept_model: the model of a text that is kept although the service's default is another one by now.
    """

    source: str
    status: str
    job_id: str | None = None
    text: str | None = None
    seconds: float | None = None
    processing_seconds: float | None = None
    outputs: dict[str, str] = field(default_factory=dict)
    error: tuple[str, str] | None = None
    warnings: tuple[JobWarning, ...] = ()
    is_taken_up: bool = False
    kept_model: str | None = None
