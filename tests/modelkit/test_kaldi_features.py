"""Kaldi's features as an ONNX graph, against transformers' extractor and the definition in float64."""

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import pytest
from transformers import SeamlessM4TFeatureExtractor

from modelkit.features.kaldi import FLOOR, FilterBank, kaldi_features, mel_filters
from modelkit.graphs.parity import probe

Array = npt.NDArray[np.float64]


def run(settings: FilterBank, *rows: npt.NDArray[np.floating]) -> list[npt.NDArray[np.float32]]:
    """Valid features of each row, padded in a batch. The padding is noise."""
    session = ort.InferenceSession(
        kaldi_features(settings).SerializeToString(), providers=["CPUExecutionProvider"]
    )
    lengths = np.array([len(row) for row in rows])
    batch = np.random.default_rng(0).standard_normal((len(rows), lengths.max())).astype(np.float32)
    for padded, row in zip(batch, rows, strict=True):
        padded[: len(row)] = row
    features, counts = session.run(None, {"waveform": batch, "lengths": lengths})
    assert features.shape[1] == counts.max()
    for row, count in zip(features, counts, strict=True):
        assert not row[count:].any()
    return [row[:count] for row, count in zip(features, counts, strict=True)]


def by_definition(waveform: npt.NDArray[np.floating], settings: FilterBank) -> Array:
    """Features frame by frame in float64."""
    size, shift, count = settings.frame, settings.shift, len(waveform)
    frames = 1 + (count - size) // shift if settings.snip_edges else (count + shift // 2) // shift
    window = {
        "povey": np.hanning(size) ** 0.85,
        "hann": np.hanning(size),
        "hamming": np.hamming(size),
        "rectangular": np.ones(size),
    }[settings.window]
    found = []
    for index in range(frames):
        start = index * shift if settings.snip_edges else index * shift + shift // 2 - size // 2
        places = np.arange(start, start + size)
        while (places < 0).any() or (places >= count).any():
            places = np.where(places < 0, -1 - places, places)
            places = np.where(places >= count, 2 * count - 1 - places, places)
        frame = waveform[places].astype(np.float64) * settings.scale
        frame -= frame.mean()
        frame -= settings.preemphasis * np.concatenate([frame[:1], frame[:-1]])
        power = np.abs(np.fft.rfft(frame * window, settings.fft)) ** 2
        found.append(np.log(np.maximum(power @ mel_filters(settings), FLOOR)))
    return np.array(found)


@pytest.mark.parametrize("length", [400, 560, 1600, 16_077, 160_000])
def test_transformers_extractor_gives_the_same(length: int) -> None:
    waveform = probe(length, 0)
    expected = SeamlessM4TFeatureExtractor()._extract_fbank_features(waveform)
    (found,) = run(FilterBank(scale=2.0**15), waveform)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 2e-4


@pytest.mark.parametrize(
    "settings",
    [
        FilterBank(),
        FilterBank(snip_edges=False, high_hertz=-400.0),
        FilterBank(window="hann", mels=40, low_hertz=0.0, high_hertz=7600.0, scale=2.0**15),
        FilterBank(window="hamming", preemphasis=0.0, snip_edges=False),
        FilterBank(window="rectangular", sample_rate=8_000, mels=23),
    ],
)
def test_each_setting_follows_the_definition(settings: FilterBank) -> None:
    waveforms = [probe(length, length) for length in (400, 1_234, 16_077, 48_000)]
    for waveform, found in zip(waveforms, run(settings, *waveforms), strict=True):
        expected = by_definition(waveform, settings)
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() < 1e-3


@pytest.mark.parametrize("offset", [0.0, 0.1])
def test_silence_is_the_floor(offset: float) -> None:
    (found,) = run(FilterBank(scale=2.0**15), np.full(4_000, offset, np.float32))
    assert np.allclose(found, np.log(FLOOR))


def test_a_waveform_shorter_than_a_frame_has_none() -> None:
    short, longer = run(FilterBank(), probe(100, 0), probe(720, 1))
    assert (len(short), len(longer)) == (0, 3)
