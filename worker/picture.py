"""The picture of a recording and its peaks, also for a job without a transcript."""

import time
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

from shared.jobs import Waveform
from speech import Progress, Summary
from speech.audio import open_audio
from speech.waveform import Painter, PeakMeter, Peaks

PICTURE_SAMPLE_RATE = 16_000

PeakReading = Generator[Progress | Summary, None, None]


class Painted(NamedTuple):
    """A waveform with the wall-clock seconds that painting it took."""

    waveform: Waveform
    seconds: float


def read_peaks(path: Path, max_seconds: float) -> PeakReading:
    """Decode a recording without recognising it. Yields the same events as the engine, except for segments.

    Raises:
        SpeechError: the recording can't be read or is too long.
    """
    began = time.perf_counter()
    with open_audio(path, PICTURE_SAMPLE_RATE, max_seconds) as audio:
        meter = PeakMeter(audio.sample_rate)
        for block in audio:
            meter.push(block[0])
            yield Progress(audio.progress, 0, audio.decoded_seconds)
        yield Summary(
            seconds=audio.decoded_seconds,
            sample_rate=audio.source_rate,
            channels=audio.channels,
            speech_seconds=0.0,
            stage_seconds={"decode": time.perf_counter() - began},
            fills=(),
            peaks=meter.peaks(),
            warnings=audio.warnings,
        )


def paint(painter: Painter, peaks: Peaks) -> Painted:
    """Paint the picture that is stored with its peaks."""
    began = time.perf_counter()
    png = painter.paint(peaks)
    return Painted(Waveform(png, peaks.to_dict()), time.perf_counter() - began)
