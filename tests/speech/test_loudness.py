"""Gains for quiet speech, as the model is given it."""

import numpy as np
import pytest

from speech.segments import raise_quiet
from speech.segments.loudness import TARGET_DB, frame_levels, framed
from tests.speech.sounds import RATE, Samples, silence


def noise(seconds: float, level_db: float, seed: int = 0) -> Samples:
    dice = np.random.default_rng(seed)
    return (dice.normal(size=round(seconds * RATE)) * 10 ** (level_db / 20)).astype(np.float32)


def level(samples: Samples) -> float:
    return float(np.median(frame_levels(framed(samples, RATE // 100))))


@pytest.mark.parametrize(
    "samples", [silence(0), silence(0.001), silence(2.0), noise(3.0, -20), noise(0.05, -5)]
)
def test_silence_and_speech_of_a_usual_level_stay_as_they_are(samples: Samples) -> None:
    assert raise_quiet(samples, RATE) is samples


def test_samples_are_the_same_whatever_the_level() -> None:
    """To the last bit, if the levels differ by a power of two."""
    samples = noise(3.0, -25.0)
    for octaves in (3, 7, 10):
        np.testing.assert_array_equal(raise_quiet(samples * np.float32(2.0**-octaves), RATE), samples)


@pytest.mark.parametrize("level_db", [-30.0, -45.0, -60.0, -90.0])
def test_quiet_speech_comes_to_the_target(level_db: float) -> None:
    assert TARGET_DB - 8.0 < level(raise_quiet(noise(3.0, level_db), RATE)) <= TARGET_DB


@pytest.mark.parametrize("pause", [0.4, 0.6, 1.2])
def test_a_far_phrase_comes_to_the_level_of_a_near_one(pause: float) -> None:
    gap = noise(pause, -75.0, 5)
    near, far = noise(2.0, -20.0, 1), noise(1.5, -48.0, 2)
    raised = raise_quiet(np.concatenate([near, gap, far, gap, near]), RATE)
    np.testing.assert_array_equal(raised[: len(near)], near)
    np.testing.assert_array_equal(raised[-len(near) :], near)
    start = len(near) + len(gap)
    assert level(raised[start : start + len(far)]) == pytest.approx(-20.0, abs=4.0)
    assert level(raised[start - len(gap) // 2 - 800 : start - len(gap) // 2]) < -40.0


def test_phrases_of_one_speaker_keep_their_levels() -> None:
    samples = np.concatenate([noise(1.0, -15.0), silence(0.5), noise(1.0, -24.0)])
    assert raise_quiet(samples, RATE) is samples


def test_a_click_does_not_count_and_is_clipped() -> None:
    quiet = noise(3.0, -60.0)
    clicked = quiet.copy()
    clicked[RATE : RATE + 400 : 3] = 0.9
    clicked[RATE + 1 : RATE + 400 : 3] = -0.9
    raised = raise_quiet(clicked, RATE)
    assert np.abs(raised).max() == 1.0
    np.testing.assert_array_equal(raised[2 * RATE :], raise_quiet(quiet, RATE)[2 * RATE :])


@pytest.mark.parametrize("offset", [0.01, -0.1])
def test_an_offset_does_not_count(offset: float) -> None:
    raised = raise_quiet(noise(2.0, -60.0) + np.float32(offset), RATE)
    assert TARGET_DB - 8.0 < level(raised) <= TARGET_DB
    assert abs(raised.mean()) < 0.01
