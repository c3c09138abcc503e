"""Store the results of an attempt: segments with their words, measurements, waveform."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from shrutlekh_contract.audio_warnings import AudioWarning
from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from shared.jobs.tables import SegmentRow, SpectrogramRow, WaveformRow

_INSERT_SEGMENTS = insert(SegmentRow.__table__)
_INSERT_WAVEFORM = insert(WaveformRow.__table__)
_INSERT_SPECTROGRAM = insert(SpectrogramRow.__table__)


class Word(Protocol):
    """A word with its times in seconds and its confidence, 0 to 1, which words of the machine have."""

    @property
    def text(self) -> str: ...
    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def confidence(self) -> float | None: ...


class Segment(Protocol):
    """The stored attributes of ``transcript.words.Segment``, which this package may not import."""

    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def text(self) -> str: ...
    @property
    def confidence(self) -> float | None: ...
    @property
    def words(self) -> Sequence[Word]: ...
    @property
    def channel(self) -> int | None: ...
    @property
    def avg_logprob(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Measurements:
    """Figures of a recording and of the attempt that transcribed it.

    Attributes:
        audio_seconds: length of the recording.
        sample_rate: of the recording as uploaded, in Hz.
        channels: audio channels of the recording.
        speech_seconds: seconds classified as speech, summed over the transcribed channels; None for a job
            without a transcript.
        stage_seconds: wall-clock seconds by stage.
        warnings: what is imperfect about the recording.
    """

    audio_seconds: float
    sample_rate: int
    channels: int
    speech_seconds: float | None
    stage_seconds: dict[str, float]
    warnings: tuple[AudioWarning, ...] = ()


@dataclass(frozen=True, slots=True)
class Waveform:
    """The picture of a recording as PNG, and its peaks in audiowaveform's JSON format."""

    png: bytes
    peaks: dict[str, Any]


def save_segments(session: Session, job_id: uuid.UUID, segments: Sequence[Segment], first: int) -> None:
    """Insert segments at positions from ``first`` on. Times are rounded to milliseconds."""
    rows = [_row(job_id, position, segment) for position, segment in enumerate(segments, first)]
    if rows:
        session.connection().execute(_INSERT_SEGMENTS, rows)


def drop_segments(session: Session, job_id: uuid.UUID, first: int = 0) -> None:
    """Delete the segments of a job from position ``first`` on."""
    session.execute(delete(SegmentRow).where(SegmentRow.job_id == job_id, SegmentRow.position >= first))


def save_waveform(session: Session, job_id: uuid.UUID, waveform: Waveform) -> None:
    """Insert the waveform of a job."""
    row = {"job_id": job_id, "png": waveform.png, "peaks": waveform.peaks}
    session.connection().execute(_INSERT_WAVEFORM, row)


def save_spectrogram(session: Session, job_id: uuid.UUID, png: bytes) -> None:
    """Insert the spectrogram of a job."""
    session.connection().execute(_INSERT_SPECTROGRAM, {"job_id": job_id, "png": png})


def _row(job_id: uuid.UUID, position: int, segment: Segment) -> dict[str, object]:
    return {
        "job_id": job_id,
        "position": position,
        "start_seconds": round(segment.start, 3),
        "end_seconds": round(segment.end, 3),
        "channel": segment.channel,
        "text": segment.text,
        "confidence": None if segment.confidence is None else round(segment.confidence, 4),
        "avg_logprob": None if segment.avg_logprob is None else round(segment.avg_logprob, 4),
        "words": [
            {
                "text": word.text,
                "start": round(word.start, 3),
                "end": round(word.end, 3),
                "confidence": None if word.confidence is None else round(word.confidence, 4),
            }
            for word in segment.words
        ],
    }
