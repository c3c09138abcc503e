"""The service's JSON as typed, immutable models. Fields that a newer service adds are ignored."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict
from shrutlekh_contract.statuses import FINAL


class Answer(BaseModel):
    """Base of the models: read-only, and tolerant of fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class StoredFile(Answer):
    """The uploaded file: its name, its size in bytes and its SHA-256 digest in hexadecimal.

    ``folder`` is where it was in its batch, if it came in one.
    """

    name: str
    bytes: int
    sha256: str
    folder: str = ""


class Audio(Answer):
    """Properties of the decoded recording. ``seconds`` is its length, ``speech_seconds`` the speech in it."""

    seconds: float
    sample_rate: int
    channels: int
    speech_seconds: float | None = None


class JobError(Answer):
    """Why a job failed: a stable code and a sentence."""

    code: str
    message: str


class WarningSpan(Answer):
    """Where a warning applies, in seconds from the start of the recording."""

    start: float
    end: float


class JobWarning(Answer):
    """What is imperfect about a recording that was transcribed all the same.

    ``code`` is stable, ``message`` a sentence. ``spans`` is empty if it concerns the whole recording.
    """

    code: str
    message: str
    spans: tuple[WarningSpan, ...] = ()


class Job(Answer):
    """A transcription job. Times are RFC 3339 strings in UTC.

    ``links`` are paths on the service's host; :meth:`shrutlekh.ShrutlekhClient.url_of` makes URLs of them.
    """

    id: str
    status: str
    progress: float
    attempt: int
    max_attempts: int
    position: int | None = None
    created_at: str
    started_at: str | None = None
    finished_at: str | None = None
    file: StoredFile
    model: str
    transcript: bool = True
    waveform: bool = True
    spectrogram: bool = False
    priority: str = "normal"
    client: str = ""
    cancel_requested: bool = False
    audio: Audio | None = None
    stage_seconds: Mapping[str, float] | None = None
    error: JobError | None = None
    warnings: Annotated[tuple[JobWarning, ...], BeforeValidator(lambda value: value or ())] = ()
    links: Mapping[str, str | None] = {}
    decoder: str | None = None
    channels: str = "mix"
    hotwords: tuple[str, ...] = ()
    hotword_weight: float | None = None
    strict: bool = False
    webhook_url: str | None = None
    batch_id: str | None = None
    revision: int | None = None
    model_version: str | None = None

    @property
    def final(self) -> bool:
        """Whether the job has ended. An ended job changes only if somebody retries it."""
        return self.status in FINAL

    @property
    def processing_seconds(self) -> float | None:
        """Wall-clock seconds that a worker spent on the job, all stages together."""
        return round(sum(self.stage_seconds.values()), 4) if self.stage_seconds else None


class Revision(Answer):
    """A corrected text that the service keeps: the member ``revision`` of a transcript."""

    number: int
    saves: int
    created_at: str
    saved_at: str
    editor: str = ""


class JobPage(Answer):
    """Some jobs, newest first, and the cursor of the next page if there is one.

    ``counts`` has the number of all jobs in each state, if asked for; None from an older service.
    """

    jobs: tuple[Job, ...]
    next_cursor: str | None = None
    counts: Mapping[str, int] | None = None


class Skipped(Answer):
    """A file or folder of an archive that got no job, and a stable word for the reason."""

    name: str
    reason: str


class Batch(Answer):
    """Recordings that were submitted together. Times are RFC 3339 strings in UTC.

    Attributes:
        status: "queued", "running" or "finished".
        progress: 0 to 1, by bytes.
        jobs: how many recordings were submitted.
        counts: number of jobs in each state.
        erased: number of jobs that were erased since.
        seconds_left: an estimate; None while there is none.
    """

    id: str
    name: str = ""
    status: str
    progress: float
    jobs: int
    counts: Mapping[str, int]
    erased: int = 0
    total_bytes: int = 0
    created_at: str
    finished_at: str | None = None
    seconds_left: float | None = None
    expected_finish_at: str | None = None
    skipped: tuple[Skipped, ...] = ()
    links: Mapping[str, str | None] = {}

    @property
    def final(self) -> bool:
        """Whether all jobs have ended."""
        return self.finished_at is not None


class BatchPage(Answer):
    """Some batches, newest first, and the cursor of the next page if there is one."""

    batches: tuple[Batch, ...]
    next_cursor: str | None = None


class Readiness(Answer):
    """The answer of ``/readyz``.

    Attributes:
        checks: an entry for each part, with ``ok`` and the error.
        draining: whether an operator told the workers to take no more jobs.
    """

    status: str
    checks: Mapping[str, Mapping[str, Any]]
    draining: bool = False

    @property
    def ready(self) -> bool:
        """Whether the service can transcribe now."""
        return self.status == "ready"

    @property
    def missing(self) -> str:
        """The parts that are not ready, separated by commas."""
        return ", ".join(name for name, check in self.checks.items() if not check.get("ok"))
