"""What the benchmarks make and count, without waiting for what they measure."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks import joined_recording, long
from benchmarks.detectors import Count, Detector, count, padded
from benchmarks.sounds import RATE, SOUNDS, levelled, mixed, white
from benchmarks.timed_speech import Spoken
from modelkit.measuring.scoring import ErrorCounts

HEARD = long.Heard(
    text="",
    audio_seconds=3600.0,
    speech_seconds=1800.0,
    wall_seconds=10.0,
    cpu_seconds=9.0,
    peak_bytes=300_000_000,
    peak_columns=1200,
    progress=[(1.0, 0.1), (2.0, 0.1), (4.5, 0.5), (9.0, 1.0)],
)


@pytest.mark.parametrize("name", SOUNDS)
def test_sounds_are_as_loud_as_told_and_the_same_again(name: str) -> None:
    sound = SOUNDS[name](2.0, 3)
    assert sound.shape == (2 * RATE,)
    assert 20 * np.log10(np.sqrt(np.mean(np.square(sound)))) == pytest.approx(-20, abs=0.5)
    np.testing.assert_array_equal(sound, SOUNDS[name](2.0, 3))


def test_noise_is_as_far_below_speech_as_told() -> None:
    speech = levelled(np.sin(np.arange(3 * RATE) / 5), -30.0)
    behind = mixed(speech, white(4.0), 12.0) - speech
    assert 10 * np.log10(np.mean(np.square(speech)) / np.mean(np.square(behind))) == pytest.approx(
        12, abs=0.1
    )


def test_active_frames_are_padded_and_joined() -> None:
    active = np.zeros(1000, bool)
    active[100:200] = active[250:300] = active[500:501] = True
    found = padded(active, 0.01, 10.0)
    assert found == [(0.75, pytest.approx(3.25)), (pytest.approx(4.75), pytest.approx(5.26))]
    assert padded(np.ones(10, bool), 0.01, 0.1) == [(0.0, 0.1)]


def test_words_outside_of_what_is_called_speech_are_missed_or_cut() -> None:
    words = [(0.5, 0.9), (1.0, 1.4), (1.9, 2.1), (3.0, 3.5)]
    detector = Detector("half", lambda samples: [(0.0, 1.3), (2.04, 2.9)], "", "")
    found = count(detector, Spoken("", np.zeros(4 * RATE, np.float32), words))
    assert found == replace(
        Count(missed=2, cut=1, words=4, speech_seconds=2.16, seconds=4.0, cpu_seconds=0.0),
        speech_seconds=pytest.approx(2.16),
        cpu_seconds=found.cpu_seconds,
    )


def test_progress_is_counted_by_what_moved() -> None:
    assert (HEARD.steps, HEARD.rises, HEARD.longest_gap) == (3, True, 4.5)
    assert not replace(HEARD, progress=[(1.0, 0.5), (2.0, 0.4), (3.0, 1.0)]).rises
    assert not replace(HEARD, progress=[(1.0, 0.5)]).rises
    assert replace(HEARD, wall_seconds=20.0).longest_gap == 11.0


@pytest.mark.parametrize(
    ("extra_bytes", "joined", "end", "missed"),
    [
        # Of an hour: three times as little as the whole, so the root of three times as much scatter.
        (200_000_000, 517, 1.0, set()),
        (200_000_001, 517, 1.0, {"peak memory, 1.0 hours"}),
        (0, 518, 1.0, {"WER of the long recording"}),
        (0, 10, 0.9, {"progress never falls and ends at 1"}),
    ],
)
def test_an_aim_that_is_missed_is_told(extra_bytes: int, joined: int, end: float, missed: set[str]) -> None:
    short = replace(HEARD, peak_bytes=HEARD.peak_bytes - extra_bytes)
    heard = replace(HEARD, progress=[(1.0, 0.1), (5.0, end)])
    alone = ErrorCounts(substitutions=500, reference_length=1000)
    rows = long.figures(heard, short, replace(alone, substitutions=joined), alone, alone)
    assert {row.name for row in rows if row.reached is False} == missed
    assert sum(row.reached is not None for row in rows) == 4


def test_the_long_recording_holds_its_clips(speech_dir: Path, tmp_path: Path) -> None:
    made = joined_recording.make(tmp_path, 30.0)
    signal, rate = soundfile.read(made.path, dtype="float32")
    assert (rate, len(signal)) == (RATE, round(made.seconds * RATE))
    assert 30.0 <= made.seconds < 60.0
    for one, other in pairwise(made.excerpts):
        assert one.end <= other.begin
    for excerpt in made.excerpts:
        stretch = signal[excerpt.begin : excerpt.end]
        edge = round(joined_recording.MARGIN_SECONDS * RATE)
        inside = stretch[edge:-edge]
        assert 20 * np.log10(np.sqrt(np.mean(np.square(inside)))) == pytest.approx(-23, abs=0.5)
        for margin in (stretch[:edge], stretch[-edge:]):
            assert np.abs(margin).max() < 0.02
        assert excerpt.text
