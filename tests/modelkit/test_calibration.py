import math
from pathlib import Path

import numpy as np
import pytest

from modelkit.decoding.calibration import (
    Words,
    area_under_curve,
    calibration_error,
    cross_validated,
    fit,
    gather,
    record_confidence,
    reliability,
    with_noise,
)
from modelkit.description import read_description
from modelkit.measuring.manifest import Entry
from modelkit.measuring.noises import FITTED, UNMET, noises
from modelkit.measuring.utterances import utterances_of
from speech import Engine, ModelFolder
from speech.decoding import FEATURES, Calibration, GreedyDecoder
from tests.speech.sounds import silence, speak, write_model, write_wav

NO_NOISE = np.zeros((0, len(FEATURES)))


def drawn(truth: Calibration, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Words whose chance to be right is what `truth` says."""
    dice = np.random.default_rng(seed)
    features = dice.normal(0.0, 1.0, (count, len(FEATURES))) * [1.0, 2.0, 0.5, 1.0, 0.0]
    return features, dice.random(count) < truth.confidences(features)


TRUTH = Calibration(0.4, (1.0, 0.5, -1.0, 0.3, 0.0))


def test_the_fit_finds_the_truth_and_gives_no_weight_to_what_never_varies() -> None:
    found = fit(*drawn(TRUTH, 20_000, 0))
    assert found.bias == pytest.approx(TRUTH.bias, abs=0.07)
    assert found.weights[:4] == pytest.approx(TRUTH.weights[:4], abs=0.1)
    assert found.weights[4] == 0.0


def test_fitted_confidence_is_the_share_of_right_words() -> None:
    fitted = fit(*drawn(TRUTH, 5_000, 1))
    features, right = drawn(TRUTH, 5_000, 2)
    assert calibration_error(reliability(fitted.confidences(features), right)) < 0.03
    bold = Calibration(fitted.bias + 2.0, fitted.weights)
    assert calibration_error(reliability(bold.confidences(features), right)) > 0.15


def test_words_that_are_all_right_or_all_wrong_can_be_fitted() -> None:
    features, _ = drawn(TRUTH, 50, 3)
    for right in (np.ones(50, bool), np.zeros(50, bool)):
        found = fit(features, right).confidences(features)
        assert np.isfinite(found).all()
        assert (found > 0.5).all() == right.all()


def test_area_under_the_curve() -> None:
    right = np.array([True, True, False, False])
    assert area_under_curve(np.array([0.9, 0.8, 0.2, 0.1]), right) == 1.0
    assert area_under_curve(np.array([0.1, 0.2, 0.8, 0.9]), right) == 0.0
    assert area_under_curve(np.array([0.5, 0.5, 0.5, 0.5]), right) == 0.5
    assert area_under_curve(np.array([0.9, 0.3, 0.5, 0.1]), right) == 0.75
    assert math.isnan(area_under_curve(np.array([0.9]), np.array([True])))


def test_reliability() -> None:
    found = reliability(np.array([0.05, 0.07, 1.0, 0.95]), np.array([False, True, True, True]))
    assert [(row.low, row.high, row.words) for row in found] == [(0.0, 0.1, 2), (0.9, 1.0, 2)]
    assert [row.right for row in found] == [0.5, 1.0]
    assert [row.confidence for row in found] == pytest.approx([0.06, 0.975])
    assert calibration_error(found) == pytest.approx((2 * 0.44 + 2 * 0.025) / 4)
    assert calibration_error([]) == 0.0


def test_a_speaker_has_no_part_in_what_its_own_words_are_measured_with() -> None:
    features, right = drawn(TRUTH, 300, 4)
    speakers = np.array(["a"] * 100 + ["b"] * 200)
    found = cross_validated(Words(features, right, speakers), NO_NOISE, 0.0)
    assert found[:100] == pytest.approx(fit(features[100:], right[100:]).confidences(features[:100]))
    turned = right.copy()
    turned[:100] = ~turned[:100]
    again = cross_validated(Words(features, turned, speakers), NO_NOISE, 0.0)
    assert again[:100] == pytest.approx(found[:100])
    assert not np.allclose(again[100:], found[100:])
    with pytest.raises(ValueError, match="two speakers"):
        cross_validated(Words(features, right, np.array(["a"] * 300)), NO_NOISE, 0.0)


def test_noise_is_a_share_of_the_words_and_wrong() -> None:
    features, right = drawn(TRUTH, 90, 5)
    noise = np.full((50, len(FEATURES)), -9.0)
    all_features, all_right = with_noise(features, right, noise, 0.1)
    assert (all_features[90:] == -9.0).all()
    assert len(all_right) == 100
    assert not all_right[90:].any()
    assert len(with_noise(features, right, noise[:3], 0.5)[1]) == 93


def test_which_words_were_right(tmp_path: Path) -> None:
    engine = Engine.load(write_model(tmp_path / "model"))
    signal = np.concatenate([speak("नम मत"), silence(30.0), speak("मन")])
    entries = [
        Entry(write_wav(tmp_path / "a.wav", signal), "नम मन मन", "s1"),
        Entry(write_wav(tmp_path / "b.wav", silence(1.0)), "नम", "s2"),
        Entry(write_wav(tmp_path / "c.wav", speak("मत सम")), "सम।", "s2"),
    ]
    words = gather(
        GreedyDecoder.of_model(engine.folder), entries, utterances_of(engine, entries, lambda: None)
    )
    assert words.right.tolist() == [True, False, True, False, True]
    assert words.speakers.tolist() == ["s1", "s1", "s1", "s2", "s2"]
    assert words.features.shape == (5, len(FEATURES))


def test_what_is_recorded_is_read_and_leaves_the_rest(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", decoding={"times": {"end": 0.1}})
    for name, bias in (("greedy", 1.0), ("beam", 2.0), ("greedy", 3.0)):
        record_confidence(folder, name, Calibration(bias, (0.0,) * 5), {"words": 7})
    model = ModelFolder.load(folder)
    model.verify_hashes()
    assert Calibration.of_model(model.decoding, "greedy") == Calibration(3.0, (0.0,) * 5)
    assert Calibration.of_model(model.decoding, "beam") == Calibration(2.0, (0.0,) * 5)
    assert read_description(folder)["decoding"]["times"] == {"end": 0.1}


def test_made_noise_is_the_same_every_time_and_neither_silent_nor_clipped() -> None:
    kinds = {**FITTED, **UNMET}
    first, second = list(noises(kinds, 8_000, each=2)), list(noises(kinds, 8_000, each=2))
    assert [name for name, _ in first] == [name for name in kinds for _ in range(2)]
    for (_, one), (_, other) in zip(first, second, strict=True):
        assert one.dtype == np.float32
        assert (one == other).all()
        assert 2.0 <= len(one) / 8_000 <= 10.0
        assert 10 ** (-46 / 20) < np.sqrt(np.square(one.astype(float)).mean()) < 10 ** (-14 / 20)
