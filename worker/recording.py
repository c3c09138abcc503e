"""One recording through the engine: words, and the picture with its peaks."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from speech import Engine, Transcription
from speech.audio import open_audio
from speech.options import Options
from speech.waveform import Painter, PeakMeter, Peaks
from transcript.words import Segment

PICTURE_SAMPLE_RATE = 16_000


class Step(NamedTuple):
    """How far an attempt is."""

    progress: float
    """Part of the recording that is done, 0 to 1."""
    chunks_done: int
    """Stretches of speech that another attempt need not recognise again."""
    audio_seconds: float
    """Audio decoded so far."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of a recording at its end. ``stage_seconds`` are wall-clock seconds by stage, ``fills``
    the part of each run of the graph that was audio and not padding."""

    seconds: float
    sample_rate: int
    channels: int
    speech_seconds: float | None
    stage_seconds: dict[str, float]
    fills: tuple[float, ...]
    png: bytes | None
    peaks: dict[str, Any] | None


def transcribe(
    path: Path,
    max_seconds: float,
    engine: Engine,
    painter: Painter | None,
    on_segment: Callable[[Segment], None],
    on_progress: Callable[[Step], None],
    skip_chunks: int,
    options: Options,
) -> Outcome:
    """Hand over each segment as it is known, then draw the picture if there is a painter.

    Raises:
        SpeechError: the recording can't be read or is too long.
    """

    def on_step(transcription: Transcription) -> None:
        on_progress(Step(transcription.progress, transcription.chunks_done, transcription.seconds))

    with engine.transcribe(path, max_seconds, on_step, skip_chunks, options) as transcription:
        for segment in transcription:
            on_segment(segment)
        stage_seconds = dict(transcription.timings)
        png = peaks = None
        if painter is not None:
            png, peaks, stage_seconds["waveform"] = _paint(painter, transcription.peaks)
        return Outcome(
            transcription.seconds,
            transcription.source_rate,
            transcription.channels,
            transcription.speech_seconds,
            stage_seconds,
            tuple(transcription.fills),
            png,
            peaks,
        )


def draw(path: Path, max_seconds: float, painter: Painter, on_progress: Callable[[Step], None]) -> Outcome:
    """Only the picture.

    Raises:
        SpeechError: the recording can't be read or is too long.
    """
    began = time.perf_counter()
    with open_audio(path, PICTURE_SAMPLE_RATE, max_seconds) as audio:
        meter = PeakMeter(audio.sample_rate)
        for block in audio:
            meter.push(block[0])
            on_progress(Step(audio.progress, 0, audio.decoded_seconds))
        decode = time.perf_counter() - began
        png, peaks, waveform = _paint(painter, meter.peaks())
        return Outcome(
            audio.decoded_seconds,
            audio.source_rate,
            audio.channels,
            None,
            {"decode": decode, "waveform": waveform},
            (),
            png,
            peaks,
        )


def _paint(painter: Painter, peaks: Peaks) -> tuple[bytes, dict[str, Any], float]:
    began = time.perf_counter()
    png = painter.paint(peaks)
    return png, peaks.to_dict(), time.perf_counter() - began
