"""The service's JSON as typed, immutable objects. Fields that a newer service adds are passed over."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from shrutlekh_contract.statuses import FINAL


@dataclass(frozen=True, slots=True)
class StoredFile:
    """The upload as the service received it."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Audio:
    """What the recording turned out to be."""

    seconds: float
    sample_rate: int
    channels: int
    speech_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed: a stable code and a sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Job:
    """A transcription job. Times are RFC 3339 texts in UTC, links are paths below the service's URL."""

    id: str
    status: str
    progress: float
    attempt: int
    max_attempts: int
    position: int | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    file: StoredFile
    model: str
    transcript: bool
    waveform: bool
    priority: str
    client: str
    cancel_requested: bool
    audio: Audio | None
    stage_seconds: Mapping[str, float] | None
    error: JobError | None
    links: Mapping[str, str | None]
    decoder: str | None = None
    channels: str = "mix"
    hotwords: tuple[str, ...] = ()
    hotword_weight: float | None = None

    @property
    def final(self) -> bool:
        """Whether the job has ended and will not change again by itself."""
        return self.status in FINAL

    @property
    def processing_seconds(self) -> float | None:
        """Wall clock that a worker spent on the job, all stages together."""
        return round(sum(self.stage_seconds.values()), 4) if self.stage_seconds else None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The job of a job document.

        Raises:
            KeyError, TypeError, ValueError: the document is no job.
        """
        file, audio, error = data["file"], data.get("audio"), data.get("error")
        return cls(
            id=str(data["id"]),
            status=str(data["status"]),
            progress=float(data["progress"]),
            attempt=int(data["attempt"]),
            max_attempts=int(data["max_attempts"]),
            position=data.get("position"),
            created_at=data["created_at"],
            started_at=data.get("started_at"),
            finished_at=data.get("finished_at"),
            file=StoredFile(str(file["name"]), int(file["bytes"]), str(file["sha256"])),
            model=str(data["model"]),
            transcript=bool(data.get("transcript", True)),
            waveform=bool(data.get("waveform", True)),
            priority=str(data.get("priority", "normal")),
            client=str(data.get("client", "")),
            cancel_requested=bool(data.get("cancel_requested", False)),
            audio=Audio(
                float(audio["seconds"]),
                int(audio["sample_rate"]),
                int(audio["channels"]),
                audio.get("speech_seconds"),
            )
            if audio
            else None,
            stage_seconds=data.get("stage_seconds"),
            error=JobError(str(error["code"]), str(error["message"])) if error else None,
            links=data.get("links") or {},
            decoder=data.get("decoder"),
            channels=str(data.get("channels", "mix")),
            hotwords=tuple(map(str, data.get("hotwords") or ())),
            hotword_weight=data.get("hotword_weight"),
        )


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, newest first, and the cursor of the next page if there is one."""

    jobs: tuple[Job, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Readiness:
    """The answer of ``/readyz``: ``checks`` has an entry for each part with ``ok`` and what is wrong."""

    ready: bool
    checks: Mapping[str, Mapping[str, Any]]

    @property
    def missing(self) -> str:
        """The parts that are not there, for a sentence."""
        return ", ".join(name for name, check in self.checks.items() if not check.get("ok"))
