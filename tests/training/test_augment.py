from collections.abc import Callable

import numpy as np
import pytest

from training.augment import augment, change_speed, filtered, no_speech, noise, surrounded, tones
from training.recipe import MAX_SECONDS, SAMPLE_RATE

STEPS = np.arange(16000) / 16000
TONE = (0.1 * np.sin(2 * np.pi * 440 * STEPS)).astype(np.float32)


@pytest.mark.parametrize("seed", range(8))
def test_a_view_is_finite_follows_from_the_seed_and_differs(seed: int) -> None:
    made = augment(TONE, np.random.default_rng(seed), TONE[::-1])
    again = augment(TONE, np.random.default_rng(seed), TONE[::-1])
    assert made.dtype == np.float32
    assert np.isfinite(made).all()
    assert np.abs(made).max() <= 1.0
    assert np.array_equal(made, again)
    assert not np.array_equal(made, augment(TONE, np.random.default_rng(seed + 100), TONE[::-1]))


def test_a_real_recording_gets_less_noise() -> None:
    def spread(real: bool) -> float:
        views = [augment(TONE, np.random.default_rng(s), TONE[:0], real) for s in range(30)]
        peaks = [np.abs(np.fft.rfft(v)) for v in views]
        return float(np.mean([np.median(p) / p.max() for p in peaks]))

    assert spread(real=True) < spread(real=False)


def test_silence_stays_finite() -> None:
    made = augment(np.zeros(4000, np.float32), np.random.default_rng(0), np.zeros(0, np.float32))
    assert np.isfinite(made).all()


def test_speed_raises_pitch_and_shortens() -> None:
    fast = change_speed(TONE, 1.25)
    assert len(fast) == 12800
    peak = np.abs(np.fft.rfft(fast)).argmax() * 16000 / len(fast)
    assert peak == pytest.approx(550, abs=2)


def test_filtering_keeps_the_length() -> None:
    assert len(filtered(TONE[:5001], np.random.default_rng(3))) == 5001


@pytest.mark.parametrize("sound", [noise, tones, no_speech])
def test_sounds_have_unit_power_and_the_length_asked_for(sound: Callable[..., np.ndarray]) -> None:
    for seed in range(8):
        made = sound(np.random.default_rng(seed), 16001)
        assert len(made) == 16001
        assert made.dtype == np.float32
        assert np.sqrt(np.mean(made**2)) == pytest.approx(1.0, abs=0.01)


def test_surroundings_leave_the_utterance_whole_and_within_what_a_network_takes() -> None:
    ends = set()
    utterance = np.concatenate(([np.float32(0.75)], TONE[1:]))
    for seed in range(40):
        made = surrounded(utterance, np.random.default_rng(seed))
        (starts,) = np.nonzero(made == utterance[0])
        start = next(n for n in starts if np.array_equal(made[n : n + len(utterance)], utterance))
        assert len(made) <= len(TONE) + 8 * SAMPLE_RATE
        ends.add((start > 0, start + len(TONE) < len(made)))
    assert ends == {(False, False), (True, False), (False, True), (True, True)}
    long = np.tile(TONE, 15)
    lengths = [len(surrounded(long, np.random.default_rng(seed))) for seed in range(40)]
    assert max(lengths) == int(MAX_SECONDS * SAMPLE_RATE)
