"""The spectrogram: what is measured, and the picture."""

import io
import tracemalloc

import librosa
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from speech.waveform import Painter, Spectrogram, SpectrogramMeter, paint_spectrogram
from speech.waveform.spectrogram import BANDS

RATE = 16_000
Waveform = npt.NDArray[np.float32]


def noise(seconds: float) -> Waveform:
    return np.random.default_rng(7).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def sine(hertz: float, seconds: float) -> Waveform:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE).astype(np.float32)


def measured(*blocks: Waveform, capacity: int = 2048, rate: int = RATE) -> Spectrogram:
    meter = SpectrogramMeter(rate, capacity)
    for block in blocks:
        meter.push(block)
    return meter.spectrogram()


def test_the_powers_are_librosas() -> None:
    waveform = noise(3)
    expected = librosa.feature.melspectrogram(
        y=waveform,
        sr=RATE,
        n_fft=400,
        hop_length=160,
        n_mels=BANDS,
        htk=True,
        norm=None,
        pad_mode="constant",
    ).T
    found = measured(waveform)
    assert found.powers.shape == expected.shape
    assert np.abs(10 * np.log10(found.powers / expected)).max() < 0.01
    assert (found.column_seconds, found.seconds, found.highest) == (0.01, 3.0, 8000.0)


@pytest.mark.parametrize("hertz", [200, 1000, 4000, 7000])
def test_a_tone_is_where_and_when_it_sounds(hertz: float) -> None:
    silence = np.zeros(RATE, np.float32)
    found = measured(silence, sine(hertz, 1), silence)
    band = found.powers.sum(axis=0).argmax()
    corners = librosa.mel_frequencies(BANDS + 2, fmin=0, fmax=RATE / 2, htk=True)
    assert corners[band] < hertz < corners[band + 2]
    loud = np.flatnonzero(found.powers[:, band] > found.powers[:, band].max() / 2) * found.column_seconds
    assert loud.min() == pytest.approx(1.0, abs=0.02)
    assert loud.max() == pytest.approx(2.0, abs=0.02)


@pytest.mark.parametrize("capacity", [16, 64, 2048])
def test_it_does_not_depend_on_the_blocks(capacity: int) -> None:
    waveform = noise(7.3)
    whole = measured(waveform, capacity=capacity)
    for size in (1, 37, 400, 16_001):
        blocks = [waveform[at : at + size] for at in range(0, len(waveform) if size > 1 else 900, size)]
        if size == 1:
            expected, found = (
                measured(waveform[:900], capacity=capacity),
                measured(*blocks, capacity=capacity),
            )
        else:
            expected, found = whole, measured(*blocks, capacity=capacity)
        np.testing.assert_allclose(found.powers, expected.powers, rtol=1e-4)
        assert found.column_seconds == expected.column_seconds


def test_a_merged_column_is_the_mean_of_its_frames() -> None:
    waveform = noise(2.0)
    fine, coarse = measured(waveform), measured(waveform, capacity=64)
    assert coarse.column_seconds == 0.04
    four = fine.powers[: len(fine.powers) // 4 * 4].reshape(-1, 4, BANDS).mean(axis=1)
    np.testing.assert_allclose(coarse.powers[: len(four)], four, rtol=1e-3)


def test_a_long_recording_takes_little_memory_and_few_frames() -> None:
    minute = noise(60)
    meter = SpectrogramMeter(RATE)
    tracemalloc.start()
    try:
        for _ in range(180):
            meter.push(minute)
        found = meter.spectrogram()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 * 2**20
    assert 1024 <= len(found.powers) <= 2048
    assert found.seconds == 3 * 3600
    assert found.column_seconds * len(found.powers) == pytest.approx(found.seconds, rel=0.01)


@pytest.mark.parametrize("seconds", [0.0, 0.0001, 0.01, 0.05, 1.0])
@pytest.mark.parametrize("loudness", [0.0, 1.0])
def test_short_and_silent_recordings_have_a_picture(seconds: float, loudness: float) -> None:
    picture = Image.open(
        io.BytesIO(paint_spectrogram(Painter(), measured(noise(seconds) * np.float32(loudness))))
    )
    assert picture.size == (1000, 240)
    assert picture.convert("RGB").getpixel((5, 5)) == (255, 255, 255)


def test_the_picture_shows_high_tones_above_and_late_ones_on_the_right() -> None:
    found = measured(sine(200, 1), sine(6000, 1))
    pixels = np.asarray(Image.open(io.BytesIO(paint_spectrogram(Painter(), found))).convert("L")).astype(int)
    left, right = pixels[12:208, 46:500], pixels[12:208, 530:986]
    assert left.mean(axis=1).argmax() > 150
    assert right.mean(axis=1).argmax() < 50


def test_other_sample_rates() -> None:
    found = measured(noise(1), rate=8000)
    assert (found.seconds, found.highest) == (2.0, 4000.0)
    assert len(paint_spectrogram(Painter(), found)) > 1000
