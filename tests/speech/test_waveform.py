import io
import json
import subprocess
import sys
import threading

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from speech.waveform import Painter, PeakMeter, Peaks, paint
from speech.waveform.picture import time_ticks
from tests.speech.sounds import RATE, Samples, silence


def measure(signal: Samples, cuts: list[int] | None = None, capacity: int = 2048) -> Peaks:
    meter = PeakMeter(RATE, capacity)
    for block in np.split(signal, sorted(cuts or [])):
        meter.push(block)
    return meter.peaks()


def wave(seconds: float, amplitude: float = 0.6) -> Samples:
    t = np.arange(round(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * 130 * t) * np.sin(np.pi * t / seconds) ** 2).astype(np.float32)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 40_000), st.lists(st.floats(0, 1), max_size=9), st.sampled_from([4, 16, 64]))
def test_peaks_are_those_of_the_stretches(samples: int, places: list[float], capacity: int) -> None:
    signal = np.random.default_rng(samples).uniform(-1, 1, samples).astype(np.float32)
    peaks = measure(signal, [int(place * samples) for place in places], capacity)
    stretches = np.split(signal, range(peaks.samples_per_pixel, samples, peaks.samples_per_pixel))
    expected = [stretch for stretch in stretches if len(stretch)]
    assert len(peaks.lows) == len(expected) <= capacity
    if samples > PeakMeter.FIRST_WIDTH * capacity:
        assert len(expected) >= capacity // 2
    np.testing.assert_array_equal(peaks.lows, np.array([s.min() for s in expected], np.float32))
    np.testing.assert_array_equal(peaks.highs, np.array([s.max() for s in expected], np.float32))
    assert peaks.seconds == samples / RATE


@pytest.mark.parametrize(("bits", "full"), [(8, 127), (16, 32_767)])
def test_the_json_form_of_audiowaveform(bits: int, full: int) -> None:
    signal = np.concatenate([np.full(32, 1.0), np.full(32, -1.0), np.full(8, 0.5)]).astype(np.float32)
    found = json.loads(json.dumps(measure(signal).to_dict(bits)))
    half = round(0.5 * full)
    assert found == {
        "version": 2,
        "channels": 1,
        "sample_rate": RATE,
        "samples_per_pixel": 32,
        "bits": bits,
        "length": 3,
        "data": [full, full, -full, -full, half, half],
    }


def pixels(png: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(png))
    assert (image.format, image.size) == ("PNG", (Painter.WIDTH, Painter.HEIGHT))
    return np.asarray(image.convert("RGB")).astype(int)


def painted(png: bytes) -> np.ndarray:
    """Crop to the envelope, above the labels of the time axis."""
    red, _, blue = np.moveaxis(pixels(png)[:205], -1, 0)
    return (blue - red > 60) & (red < 160)


def test_the_envelope_is_where_the_sound_is() -> None:
    signal = np.concatenate([silence(2), np.resize(np.array([0.9, -0.9], np.float32), RATE * 2), silence(1)])
    heights = painted(paint(measure(signal)))[:, 46:986].sum(axis=0)
    columns = 940
    assert heights[: int(0.39 * columns)].max() <= 3
    assert heights[int(0.41 * columns) : int(0.79 * columns)].min() > 0.85 * 0.83 * Painter.HEIGHT * 0.9
    assert heights[int(0.81 * columns) :].max() <= 3
    assert heights.min() >= 1, "silence is a thin line"


def test_a_quiet_recording_fills_the_picture() -> None:
    assert painted(paint(measure(wave(3, 0.018)))).sum() == pytest.approx(
        painted(paint(measure(wave(3, 0.9)))).sum(), rel=0.1
    )


@pytest.mark.parametrize("seconds", [0.0, 1 / RATE, 0.01, 0.4, 4.1, 59.0, 61.0, 700.0])
def test_every_length_has_a_picture(seconds: float) -> None:
    signal = wave(seconds) if seconds > 0.001 else silence(seconds)
    assert pixels(paint(measure(signal))).min() < 60


def test_the_axis_may_be_longer_than_the_recording() -> None:
    columns = painted(Painter().paint(measure(wave(2)), seconds=4.0)).any(axis=0)
    assert not columns[46 + 480 : 986].any()
    assert columns[60:500].all()


@pytest.mark.parametrize(
    ("length", "labels"),
    [
        (0.05, ["0.00 s", "0.01 s", "0.02 s", "0.03 s", "0.04 s", "0.05 s"]),
        (3.74, ["0.0 s", "0.5 s", "1.0 s", "1.5 s", "2.0 s", "2.5 s", "3.0 s", "3.5 s"]),
        (8.0, ["0 s", "1 s", "2 s", "3 s", "4 s", "5 s", "6 s", "7 s", "8 s"]),
        (95.0, ["0:00", "0:15", "0:30", "0:45", "1:00", "1:15", "1:30"]),
        (10_800.0, ["0:00:00", "0:30:00", "1:00:00", "1:30:00", "2:00:00", "2:30:00", "3:00:00"]),
    ],
)
def test_ticks(length: float, labels: list[str]) -> None:
    assert time_ticks(length)[1] == labels


@given(st.floats(0.001, 1e7))
def test_ticks_are_few_and_within(length: float) -> None:
    ticks, labels = time_ticks(length)
    assert len(ticks) == len(labels) <= 10
    assert ticks[0] == 0.0
    assert ticks[-1] <= length * 1.000001
    assert len(set(labels)) == len(labels)


def test_pictures_do_not_depend_on_each_other() -> None:
    painter = Painter()
    first, second = measure(wave(3)), measure(wave(200, 0.1))
    expected = [Painter().paint(first), Painter().paint(second)]
    found: list[list[bytes]] = []
    threads = [
        threading.Thread(target=lambda: found.append([painter.paint(first), painter.paint(second)]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_a_thousand_pictures_take_the_memory_of_one() -> None:
    painter = Painter()
    signals = [measure(wave(1.0 + 0.37 * i)) for i in range(10)]
    process = psutil.Process()
    for i in range(50):
        painter.paint(signals[i % 10])
    after_50 = process.memory_info().rss
    for i in range(950):
        painter.paint(signals[i % 10])
    assert process.memory_info().rss - after_50 < 3_000_000


def test_text_scoring_and_waveform_do_not_load_the_runtime() -> None:
    code = (
        "import sys, transcript.words\n"
        "from speech import Progress, SpeechError, Summary, normalise_for_scoring\n"
        "assert 'numpy' not in sys.modules\n"
        "import modelkit.measuring.scoring\n"
        "from speech import ModelFolder\n"
        "assert not {'onnxruntime', 'matplotlib', 'soundfile', 'soxr'} & set(sys.modules)\n"
        "from speech.waveform import PeakMeter, paint\n"
        "assert not {'onnxruntime', 'soundfile', 'matplotlib.pyplot'} & set(sys.modules)\n"
        "import speech.engine\n"
        "assert not {'librosa', 'scipy', 'matplotlib.pyplot'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
