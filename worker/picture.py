"""The picture of a recording and its peaks, also for a job without a transcript."""

import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import NamedTuple

from shared.jobs import Waveform
from speech import Progress, Summary
from speech.audio import open_audio
from speech.waveform import Meter, Painter, PeakMeter, Peaks, SpectrogramMeter, paint_spectrogram

PICTURE_SAMPLE_RATE = 16_000

PeakReading = Generator[Progress | Summary, None, None]


class Painted(NamedTuple):
    """A waveform with the wall-clock seconds that painting it took."""

    waveform: Waveform
    seconds: float


def read_peaks(path: Path, max_seconds: float, meters: Sequence[Meter] = ()) -> PeakReading:
    """Decode a recording without recognising it. Yields the same events as the engine, except for segments.

    Args:
        meters: get the recording too, at :data:`PICTURE_SAMPLE_RATE`.

    Raises:
        SpeechError: the recording can't be read or is too long.
    """
    began = time.perf_counter()
    with open_audio(path, PICTURE_SAMPLE_RATE, max_seconds) as audio:
        peaks = PeakMeter(audio.sample_rate)
        for block in audio:
            for meter in (peaks, *meters):
                meter.push(block[0])
            yield Progress(audio.progress, 0, audio.decoded_seconds)
        yield Summary(
            seconds=audio.decoded_seconds,
            sample_rate=audio.source_rate,
            channels=audio.channels,
            speech_seconds=0.0,
            stage_seconds={"decode": time.perf_counter() - began},
            fills=(),
            peaks=peaks.peaks(),
            warnings=audio.warnings,
        )


def paint_levels(painter: Painter, meter: SpectrogramMeter) -> tuple[bytes, float]:
    """Paint the spectrogram. Return it as PNG, and the wall-clock seconds."""
    began = time.perf_counter()
    png = paint_spectrogram(painter, meter.spectrogram())
    return png, time.perf_counter() - began


def paint(painter: Painter, peaks: Peaks) -> Painted:
    """Paint the picture that is stored with its peaks."""
    began = time.perf_counter()
    png = painter.paint(peaks)
    return Painted(Waveform(png, peaks.to_dict()), time.perf_counter() - began)
