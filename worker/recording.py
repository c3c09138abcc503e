"""One recording through the engine: words, and the picture with its peaks."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from shrutlekh_contract.options import RecognitionOptions

from speech import Engine, Progress
from speech.audio import open_audio
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
    options: RecognitionOptions,
) -> Outcome:
    """Hand over each segment as it is known, then draw the picture if there is a painter.

    Raises:
        SpeechError: the recording can't be read or is too long.
    """

    with engine.transcribe(path, max_seconds, skip_chunks, options) as transcription:
        for event in transcription:
            if isinstance(event, Segment):
                on_segment(event)
            elif isinstance(event, Progress):
                on_progress(Step(*event))
        summary = transcription.summary
        stage_seconds = dict(summary.stage_seconds)
        png = peaks = None
        if painter is not None:
            png, peaks, stage_seconds["waveform"] = _paint(painter, summary.peaks)
        return Outcome(
            summary.seconds,
            summary.sample_rate,
            summary.channels,
            summary.speech_seconds,
            stage_seconds,
            summary.fills,
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
