"""Models of the JSON that the service sends, from which the OpenAPI document is generated."""

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, create_model
from shrutlekh_contract.audio_warnings import MEANINGS, WarningCode
from shrutlekh_contract.formats import TEXT_FORMATS
from shrutlekh_contract.options import SubmissionOptions, declared

from api.http import examples
from api.http.paths import Paths
from shared.jobs import Job, JobStatus, RevisionRow, SegmentRow, options_of

Fraction = Annotated[float, Field(ge=0, le=1)]


def with_example(example: dict[str, JsonValue]) -> ConfigDict:
    """Return the configuration of a model whose schema has an example."""
    return ConfigDict(json_schema_extra={"examples": [example]})


class Shape(BaseModel):
    """Base of all models."""

    model_config = ConfigDict(frozen=True)


class FileOut(Shape):
    """The recording as uploaded."""

    name: str = Field(description="The client's file name, cleaned; only displayed.")
    folder: str = Field(description="Folder of the file in its batch, cleaned; only displayed. Often empty.")
    bytes: int
    sha256: str


class AudioOut(Shape):
    """Properties of the decoded recording."""

    seconds: float
    sample_rate: int | None
    channels: int | None
    speech_seconds: float | None = Field(
        description="Seconds classified as speech, summed over the transcribed channels; null if the job has "
        "no transcript."
    )


class SpanOut(Shape):
    """Where something is, in seconds from the start of the recording."""

    start: float
    end: float


class WarningOut(Shape):
    """What is imperfect about a recording that was transcribed all the same."""

    code: WarningCode = Field(
        description="Stable; programs may rely on it. "
        + " ".join(f"`{code.value}`: {meaning}" for code, meaning in MEANINGS.items())
    )
    message: str = Field(description="For people: what it is and what to do.")
    spans: list[SpanOut] = Field(description="Where it is; empty if it concerns the whole recording.")


class ErrorOut(Shape):
    """Why a job failed."""

    code: str = Field(description="Stable; programs may rely on it.")
    message: str = Field(description="For people: what happened and what to do.")


if TYPE_CHECKING:

    class LinksOut(Shape):
        """Its fields come from the declared formats, which a type checker cannot see."""

else:
    LinksOut = create_model(
        "LinksOut",
        __base__=Shape,
        __doc__="Paths of a job and its results on this host; null if the result does not exist or not yet.",
        self=(str, ...),
        transcript=(str | None, ...),
        **{f"transcript_{name}": (str | None, ...) for name in TEXT_FORMATS},
        waveform_png=(str | None, ...),
        waveform_json=(str | None, ...),
        spectrogram_png=(str | None, ...),
    )


class _JobHead(Shape):
    """Identity and progress of a job."""

    id: uuid.UUID
    batch_id: uuid.UUID | None = Field(description="The batch that the job was submitted with, if any.")
    status: JobStatus
    progress: Fraction
    attempt: int = Field(description="Number of the current or last attempt; 0 before the first.")
    max_attempts: int
    position: int | None = Field(
        description="Number of jobs before this one while it is queued, at most 10,000; null in lists."
    )
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    file: FileOut


def _options_of_a_job() -> dict[str, Any]:
    """Return the fields of a job's JSON for its options."""
    return {
        name: (
            option.kind.json_type | None if option.nullable else option.kind.json_type,
            Field(description=option.answer),
        )
        for name, option in declared(SubmissionOptions).items()
        if not option.of_answer
    }


if TYPE_CHECKING:

    class _JobWithOptions(_JobHead):
        """Stands for the class made below, whose fields a type checker cannot see."""

else:
    _JobWithOptions = create_model("_JobWithOptions", __base__=_JobHead, **_options_of_a_job())


class JobOut(_JobWithOptions):
    """A job: the request to transcribe one recording."""

    model_config = with_example(examples.JOB)

    cancel_requested: bool
    audio: AudioOut | None
    stage_seconds: dict[str, float] | None = Field(description="Wall-clock seconds of each stage.")
    warnings: list[WarningOut] | None = Field(
        description="What is imperfect about the recording; null before it is read to its end."
    )
    error: ErrorOut | None
    model_version: str | None = Field(
        description="First 12 hex digits of the SHA-256 of the `model.json` that the model had; null until a "
        "worker has saved progress, and for a job without a transcript."
    )
    revision: int | None = Field(description="Number of the newest corrected text; null if there is none.")
    links: LinksOut

    @classmethod
    def of(cls, job: Job, paths: Paths, position: int | None = None) -> "JobOut":
        """Make the model of ``job``, with links below the prefix of ``paths``."""
        return cls(
            id=job.id,
            batch_id=job.batch_id,
            status=job.status,
            progress=job.progress,
            attempt=job.attempt,
            max_attempts=job.max_attempts,
            position=position,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            file=FileOut(
                name=job.file_name, folder=job.folder or "", bytes=job.file_bytes, sha256=job.file_sha256
            ),
            cancel_requested=job.cancel_requested,
            audio=_audio_of(job),
            stage_seconds=job.stage_seconds,
            warnings=job.warnings,
            error=_error_of(job),
            model_version=job.model_version,
            revision=job.revision,
            links=links_of(job, paths),
            **options_of(job).json(),
        )

    def to_json(self) -> bytes:
        """Return UTF-8 JSON with Devanagari unescaped."""
        return self.model_dump_json().encode()


class PageOut(Shape):
    """A page of jobs, newest first."""

    model_config = with_example(examples.PAGE)

    jobs: list[JobOut]
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last page.")
    counts: dict[JobStatus, int] | None = Field(
        default=None,
        description="Number of all jobs in each state, with `counts=true`; else null. If there are "
        "hundreds of thousands, it may be some seconds old.",
    )


class WordOut(Shape):
    """A word with its time in the recording."""

    text: str
    start: float = Field(description="Seconds from the start of the recording.")
    end: float
    confidence: Fraction | None
    spoken: str | None = Field(
        default=None, description="The spoken words, if a number is written in digits; else absent."
    )


class SegmentOut(Shape):
    """Words spoken without a long pause."""

    start: float
    end: float
    channel: int | None = Field(description="Counted from 1; null if channels were mixed.")
    text: str
    confidence: Fraction | None
    avg_logprob: float | None = Field(
        description="Mean natural logarithm of the probabilities that the acoustic model gives the tokens. "
        "Null in transcripts made before the service knew it."
    )
    words: list[WordOut]


class SavedSegmentOut(SegmentOut):
    """A segment as it was saved, of a job that has perhaps not ended."""

    position: int = Field(description="Counted from 0 since the submission or the last retry or restart.")

    @classmethod
    def of(cls, row: SegmentRow) -> "SavedSegmentOut":
        """Make the model of a saved segment."""
        return cls(
            position=row.position,
            start=row.start_seconds,
            end=row.end_seconds,
            channel=row.channel,
            text=row.text,
            confidence=row.confidence,
            avg_logprob=row.avg_logprob,
            words=row.words,
        )


class NewestSegmentOut(SavedSegmentOut):
    """The newest segment of one of several jobs."""

    job_id: uuid.UUID

    @classmethod
    def of(cls, row: SegmentRow) -> "NewestSegmentOut":
        """Make the model of a saved segment."""
        return cls(job_id=row.job_id, **SavedSegmentOut.of(row).model_dump())


class TransitionOut(Shape):
    """A change of a job's state, and the job as it is now."""

    event: str = Field(description="What happened, such as `claimed`, `requeued` or `retried`.")
    status: JobStatus = Field(description="The state after it.")
    attempt: int
    at: datetime
    code: str | None = Field(description="Why an attempt or the job failed.")
    job: JobOut


class ProgressOut(Shape):
    """How far a running job is."""

    id: uuid.UUID
    progress: Fraction


class BatchProgressOut(Shape):
    """How far a batch is."""

    id: uuid.UUID
    jobs: int = Field(description="Number of its jobs.")
    counts: dict[JobStatus, int] = Field(description="Number of its jobs in each state.")


class RevisionOut(Shape):
    """A text that a person has corrected."""

    model_config = with_example(examples.REVISION)

    number: int = Field(description="Counted from 1.")
    saves: int = Field(description="How often it was saved: saves in quick succession are one revision.")
    created_at: datetime
    saved_at: datetime
    editor: str = Field(description="Prefix of the API key that saved it; empty without one.")

    @classmethod
    def of(cls, row: RevisionRow) -> "RevisionOut":
        """Make the model of a stored revision."""
        return cls(
            number=row.number,
            saves=row.saves,
            created_at=row.created_at,
            saved_at=row.saved_at,
            editor=row.editor,
        )


class RevisionsOut(Shape):
    """The corrected texts of a job that are kept, newest first."""

    model_config = with_example({"revisions": [examples.REVISION]})

    revisions: list[RevisionOut]


class TranscriptOut(Shape):
    """The words of a recording."""

    model_config = with_example(examples.TRANSCRIPT)

    job_id: uuid.UUID
    revision: RevisionOut | None = Field(description="Which corrected text it is; null for the machine's.")
    model: str
    model_version: str | None = Field(description="As in the job.")
    language: str
    seconds: float
    speech_seconds: float | None
    no_speech: bool = Field(description="Whether the transcript has no words.")
    warnings: list[WarningOut] = Field(description="What is imperfect about the recording.")
    text: str
    segments: list[SegmentOut] = Field(description="Ordered by start, then channel.")


class TicketOut(Shape):
    """A URL that opens a recording without an API key."""

    model_config = with_example(examples.TICKET)

    url: str = Field(description="Path on this host, with the ticket.")
    expires_at: datetime


class SimpleTranscriptOut(Shape):
    """The answer of `/transcribe/`."""

    model_config = with_example(examples.SIMPLE_TRANSCRIPT)

    id: uuid.UUID
    model: str
    model_version: str | None
    language: str
    seconds: float
    speech_seconds: float | None
    no_speech: bool
    warnings: list[WarningOut]
    text: str
    segments: list[SegmentOut]
    links: LinksOut


class Problem(Shape):
    """An RFC 9457 problem document."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str = Field(description="For people: what happened and what to do.")
    code: str = Field(description="Stable; programs may rely on it.")
    instance: str


class PeaksOut(Shape):
    """Peaks in the JSON format of BBC audiowaveform: minimum and maximum of each block of samples."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [examples.PEAKS]})

    version: int
    channels: int
    sample_rate: int
    samples_per_pixel: int
    bits: int
    length: int
    data: list[int]


def links_of(job: Job, paths: Paths) -> LinksOut:
    """Return the paths of a job and its results."""
    own = paths.job(job.id)
    done = job.status is JobStatus.SUCCEEDED
    transcript = f"{own}/transcript" if done and job.transcript else None
    return LinksOut(
        self=own,
        transcript=transcript,
        **{f"transcript_{name}": transcript and f"{transcript}?format={name}" for name in TEXT_FORMATS},
        waveform_png=f"{own}/waveform.png" if done and job.waveform else None,
        waveform_json=f"{own}/waveform.json" if done and job.waveform else None,
        spectrogram_png=f"{own}/spectrogram.png" if done and (job.options or {}).get("spectrogram") else None,
    )


def _audio_of(job: Job) -> AudioOut | None:
    if job.audio_seconds is None:
        return None
    return AudioOut(
        seconds=job.audio_seconds,
        sample_rate=job.audio_sample_rate,
        channels=job.audio_channels,
        speech_seconds=job.speech_seconds,
    )


def _error_of(job: Job) -> ErrorOut | None:
    if job.error_code is None:
        return None
    return ErrorOut(code=job.error_code, message=job.error_message or "")
