"""Whisper's log-mel spectrograms are those of the pipelines that models are made with."""

import numpy as np
import pytest

from speech.recognisers.whisper.log_mel import FRAMES, HOP, RATE, ZERO, LogMel
from tests.conftest import require

LENGTHS = (1, 100, 1600, 16_001, 16_159, 70_000, 479_800, 479_999, 480_000, 500_000)


def speech_like(samples: int) -> np.ndarray:
    noise = np.random.default_rng(samples).standard_normal(samples)
    return (noise * np.abs(np.sin(np.arange(samples) / 3000)) * 0.1).astype(np.float32)


@pytest.mark.parametrize("bands", [80, 128])
def test_padded_with_silence_as_hugging_face_does(bands: int) -> None:
    require("transformers")
    from transformers import WhisperFeatureExtractor

    extractor = WhisperFeatureExtractor(bands)
    log_mel = LogMel(bands)
    for samples in LENGTHS:
        waveform = speech_like(samples)
        (expected,) = extractor(waveform, sampling_rate=RATE, return_tensors="np").input_features
        np.testing.assert_allclose(log_mel(waveform), expected, atol=1e-4)


@pytest.mark.parametrize("bands", [80, 128])
def test_padded_with_zeros_as_faster_whisper_does(bands: int) -> None:
    require("faster_whisper")
    from faster_whisper.feature_extractor import FeatureExtractor

    extractor = FeatureExtractor(bands)
    log_mel = LogMel(bands, ZERO)
    for samples in LENGTHS[2:-1]:
        waveform = speech_like(samples)
        expected = extractor(waveform)[:, : samples // HOP]
        found = log_mel(waveform)
        np.testing.assert_allclose(found[:, : samples // HOP], expected, atol=1e-4)
        assert not found[:, samples // HOP :].any()


def test_silence_and_nothing() -> None:
    for samples in (0, 16_000):
        found = LogMel(80)(np.zeros(samples, np.float32))
        assert found.shape == (80, FRAMES)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, -1.5, rtol=1e-6)
