import math

import numpy as np
import pytest

from speech import ModelInvalid
from speech.decoding import (
    FEATURES,
    BeamDecoder,
    BeamSettings,
    Calibration,
    GreedyDecoder,
    LanguageModel,
    PathReader,
    plain_confidences,
)
from speech.decoding.confidence import LEAST_AGREEMENT
from tests.speech.language_models import write_language_model
from tests.speech.sounds import TOKENS
from tests.speech.test_beam import BLANK, GAP, STRIDE, noise, spell

SOUND, RIVALS, LENGTH, LANGUAGE, AGREEMENT = range(len(FEATURES))
READER = PathReader(TOKENS, BLANK, STRIDE)


@pytest.fixture(scope="module")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return LanguageModel(write_language_model(tmp_path_factory.mktemp("lm")), TOKENS)


@pytest.fixture(scope="module")
def beam(language_model: LanguageModel) -> BeamDecoder:
    return BeamDecoder(TOKENS, BLANK, STRIDE, language_model, BeamSettings(alpha=0.5, threshold=50.0))


def test_the_confidence_is_the_logistic_of_the_features() -> None:
    calibration = Calibration(0.5, (1.0, 2.0, -1.0, 0.25, 3.0))
    features = np.array([[-0.5, -0.1, math.log(3), -2.0, -0.2], [0.0, 0.0, 0.0, 0.0, 0.0]])
    scores = [0.5 - 0.5 - 0.2 - math.log(3) - 0.5 - 0.6, 0.5]
    assert calibration.confidences(features) == pytest.approx([1 / (1 + math.exp(-s)) for s in scores])
    assert Calibration(1e9, (0.0,) * 5).confidences(features).max() <= 1.0


def test_what_is_kept_is_what_is_read() -> None:
    calibration = Calibration(0.5, (1.0, 2.0, -1.0, 0.25, 3.0))
    decoding = {"confidence": {"beam": {**calibration.entry(), "fitted": {"words": 3}}}}
    assert Calibration.of_model(decoding, "beam") == calibration
    assert Calibration.of_model(decoding, "greedy") is None
    assert Calibration.of_model({}, "beam") is None


@pytest.mark.parametrize(
    "wrong", ["high", {"beam": 3}, {"beam": {"bias": "much"}}, {"beam": {"sound": math.inf}}, {"beam": []}]
)
def test_what_is_no_calibration_is_refused(wrong: object) -> None:
    with pytest.raises(ModelInvalid, match="confidence"):
        Calibration.of_model({"confidence": wrong}, "beam")


def test_without_one_it_is_the_geometric_mean() -> None:
    log_probs = spell("नम मन", sure=0.8)
    heard = READER.hear(log_probs.argmax(axis=1), log_probs)
    assert plain_confidences(heard.features) == pytest.approx([0.8, 0.8])
    assert [w.confidence for w in READER.words(heard, None)] == pytest.approx([0.8, 0.8])


def test_rivals_are_what_would_have_been_likelier_there() -> None:
    log_probs = spell("नम मन सम", sure=0.8)
    path = log_probs.argmax(axis=1)
    assert READER.hear(path, log_probs).features[:, RIVALS] == pytest.approx([0.0, 0.0, 0.0])
    last = 3 * 4 + 1  # a frame of the second word's last letter
    log_probs[last] = np.log(0.02)
    log_probs[last, TOKENS.index("त")] = np.log(0.8)
    log_probs[last, TOKENS.index("न")] = np.log(0.1)
    found = READER.hear(path, log_probs).features[:, RIVALS]
    assert found == pytest.approx([0.0, math.log(0.1 / 0.8) / 2, 0.0], abs=1e-5)
    gap = 3 * 5  # the space behind it
    log_probs[gap, GAP] = np.log(0.1)
    log_probs[gap, BLANK] = np.log(0.8)
    found = READER.hear(path, log_probs).features[:, RIVALS]
    assert found[2] == pytest.approx(math.log(0.1 / 0.8) / 2, abs=1e-5)


def test_length_counts_tokens() -> None:
    log_probs = spell("नम नमस्ते")
    found = READER.hear(log_probs.argmax(axis=1), log_probs).features[:, LENGTH]
    assert found == pytest.approx([math.log(2), math.log(6)])


def test_language_is_the_probability_after_the_words_before(
    beam: BeamDecoder, language_model: LanguageModel
) -> None:
    heard = beam.hear(spell("नम मन मत", sure=0.99))
    assert heard.texts == ("नम", "मन", "मत")
    # From the start of a sentence, which backs off; a pair the model knows; one it does not.
    assert heard.features[:, LANGUAGE] == pytest.approx([-0.6 - 0.3, -0.1, -0.9 - 0.3], abs=1e-4)


def test_a_name_counts_as_the_median_word(beam: BeamDecoder, language_model: LanguageModel) -> None:
    heard = beam.preferring(["तन"], 4.0).hear(spell("नम तन", sure=0.99))
    assert heard.texts == ("नम", "तन")
    assert heard.features[1, LANGUAGE] == language_model.median_score


def test_hypotheses_that_agree_and_one_that_does_not(beam: BeamDecoder) -> None:
    clear = beam.hear(spell("नम मन", sure=0.9999)).features[:, AGREEMENT]
    assert clear == pytest.approx([0.0, 0.0], abs=0.02)
    log_probs = spell("नम सम", sure=0.9999)
    rows = [9, 10]  # the second word's first letter: स or न
    log_probs[rows] = np.log(1e-6)
    log_probs[rows[0], [TOKENS.index("स"), TOKENS.index("न")]] = np.log(0.5)
    log_probs[rows[1], [TOKENS.index("स"), TOKENS.index("न")]] = np.log(0.5)
    first, second = beam.hear(log_probs).features[:, AGREEMENT]
    assert first == pytest.approx(0.0, abs=0.02)
    assert math.log(0.4) < second < math.log(0.95)
    assert second >= math.log(LEAST_AGREEMENT)


def test_decoders_use_their_calibration(language_model: LanguageModel) -> None:
    low, high = Calibration(-2.0, (0.0,) * 5), Calibration(2.0, (0.0,) * 5)
    log_probs = spell("नम")
    for calibration, wanted in ((low, 1 / (1 + math.exp(2))), (high, 1 / (1 + math.exp(-2)))):
        greedy = GreedyDecoder(TOKENS, BLANK, STRIDE, calibration=calibration)
        beam = BeamDecoder(TOKENS, BLANK, STRIDE, language_model, BeamSettings(), calibration=calibration)
        for decoder in (greedy, beam):
            assert [w.confidence for w in decoder.words(log_probs)] == [pytest.approx(wanted)]


def test_nothing_heard_has_no_features(beam: BeamDecoder) -> None:
    for log_probs in (np.zeros((0, len(TOKENS)), np.float32), noise(1, 0)):
        for decoder in (beam, GreedyDecoder(TOKENS, BLANK, STRIDE)):
            heard = decoder.hear(log_probs)
            assert heard.features.shape == (len(heard.texts), len(FEATURES))
