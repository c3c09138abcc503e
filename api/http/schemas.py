"""The JSON that goes over the wire; the OpenAPI document is made from it."""

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, create_model
from shrutlekh_contract.formats import TEXT_FORMATS
from shrutlekh_contract.options import SubmissionOptions, declared

from api.http import examples
from shared.jobs import Job, JobStatus, options_of

Fraction = Annotated[float, Field(ge=0, le=1)]


def with_example(example: dict[str, JsonValue]) -> ConfigDict:
    """Return the configuration of a model whose schema has an example."""
    return ConfigDict(json_schema_extra={"examples": [example]})


class Shape(BaseModel):
    """Base of what the service sends."""

    model_config = ConfigDict(frozen=True)


class FileOut(Shape):
    """The recording as it arrived."""

    name: str = Field(description="The client's name for it, cleaned; for people only.")
    bytes: int
    sha256: str


class AudioOut(Shape):
    """What the recording turned out to hold."""

    seconds: float
    sample_rate: int | None
    channels: int | None
    speech_seconds: float | None = Field(
        description="Seconds of it taken for speech, over all channels heard; null without transcript."
    )


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
        __doc__="Where a job and its results are; null while or when there is no such result.",
        self=(str, ...),
        transcript=(str | None, ...),
        **{f"transcript_{name}": (str | None, ...) for name in TEXT_FORMATS},
        waveform_png=(str | None, ...),
        waveform_json=(str | None, ...),
    )


class _JobHead(Shape):
    """What identifies a job and how far it is."""

    id: uuid.UUID
    status: JobStatus
    progress: Fraction
    attempt: int = Field(description="Which attempt is under way or was the last; 0 before the first.")
    max_attempts: int
    position: int | None = Field(
        description="Jobs before this one while it is queued, counted to 10,000 at most; null in lists."
    )
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    file: FileOut


def _options_of_a_job() -> dict[str, Any]:
    """The fields of a job's JSON that say what was asked for."""
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
        """Its fields are the declared options, which a type checker cannot see."""

else:
    _JobWithOptions = create_model("_JobWithOptions", __base__=_JobHead, **_options_of_a_job())


class JobOut(_JobWithOptions):
    """A job: one recording on its way to text."""

    model_config = with_example(examples.JOB)

    cancel_requested: bool
    audio: AudioOut | None
    stage_seconds: dict[str, float] | None = Field(description="Seconds of work in each stage.")
    error: ErrorOut | None
    links: LinksOut

    @classmethod
    def of(cls, job: Job, position: int | None = None) -> "JobOut":
        """The wire form of ``job``."""
        return cls(
            id=job.id,
            status=job.status,
            progress=job.progress,
            attempt=job.attempt,
            max_attempts=job.max_attempts,
            position=position,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            file=FileOut(name=job.file_name, bytes=job.file_bytes, sha256=job.file_sha256),
            cancel_requested=job.cancel_requested,
            audio=_audio_of(job),
            stage_seconds=job.stage_seconds,
            error=_error_of(job),
            links=links_of(job),
            **options_of(job).json(),
        )

    def to_json(self) -> bytes:
        """UTF-8 JSON, Devanagari unescaped."""
        return self.model_dump_json().encode()


class PageOut(Shape):
    """Some jobs, newest first."""

    model_config = with_example(examples.PAGE)

    jobs: list[JobOut]
    next_cursor: str | None = Field(description="Give it as `cursor` for the page after; null at the end.")


class WordOut(Shape):
    """A word with its time in the recording."""

    text: str
    start: float = Field(description="Seconds from the start of the recording.")
    end: float
    confidence: Fraction | None
    spoken: str | None = Field(
        default=None, description="What was said, where a number is written in digits; else absent."
    )


class SegmentOut(Shape):
    """A stretch of speech."""

    start: float
    end: float
    channel: int | None = Field(description="From 1; null where channels were mixed.")
    text: str
    confidence: Fraction | None
    words: list[WordOut]


class TranscriptOut(Shape):
    """The words of a recording."""

    model_config = with_example(examples.TRANSCRIPT)

    job_id: uuid.UUID
    model: str
    language: str
    seconds: float
    speech_seconds: float | None
    no_speech: bool = Field(description="True if there are no words.")
    text: str
    segments: list[SegmentOut] = Field(description="By start, then channel.")


class SimpleTranscriptOut(Shape):
    """The answer of `/transcribe/`."""

    model_config = with_example(examples.SIMPLE_TRANSCRIPT)

    id: uuid.UUID
    model: str
    language: str
    seconds: float
    speech_seconds: float | None
    no_speech: bool
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
    """Peaks in the JSON format of BBC audiowaveform: minimum and maximum of each stretch in turn."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [examples.PEAKS]})

    version: int
    channels: int
    sample_rate: int
    samples_per_pixel: int
    bits: int
    length: int
    data: list[int]


def links_of(job: Job) -> LinksOut:
    """Where the job and its results are."""
    own = path_of(job.id)
    done = job.status is JobStatus.SUCCEEDED
    transcript = f"{own}/transcript" if done and job.transcript else None
    return LinksOut(
        self=own,
        transcript=transcript,
        **{f"transcript_{name}": transcript and f"{transcript}?format={name}" for name in TEXT_FORMATS},
        waveform_png=f"{own}/waveform.png" if done and job.waveform else None,
        waveform_json=f"{own}/waveform.json" if done and job.waveform else None,
    )


def path_of(job_id: uuid.UUID) -> str:
    """Where a job is polled."""
    return f"/v1/jobs/{job_id}"


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
