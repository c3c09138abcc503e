import itertools
import math
from collections.abc import Mapping
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech import ModelInvalid
from speech.decoding import BeamDecoder, BeamSettings, GreedyDecoder, LanguageModel
from tests.speech.language_models import BIGRAMS, UNIGRAMS, write_language_model
from tests.speech.sounds import TOKENS

STRIDE = 0.04
BLANK, GAP = 0, 1
PLAIN = BeamSettings(alpha=0.5, beta=0.0, threshold=50.0)


@pytest.fixture(scope="module")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return LanguageModel(write_language_model(tmp_path_factory.mktemp("lm")), TOKENS)


def decoder(language_model: LanguageModel, settings: BeamSettings = PLAIN) -> BeamDecoder:
    return BeamDecoder(TOKENS, BLANK, STRIDE, language_model, settings)


def spell(text: str, sure: float = 0.9) -> np.ndarray:
    """Log-probabilities that spell the text: two frames per token, each followed by a blank."""
    path = [i for c in text.replace(" ", "▁") for i in (TOKENS.index(c), TOKENS.index(c), BLANK)]
    probabilities = np.full((len(path), len(TOKENS)), (1 - sure) / (len(TOKENS) - 1), np.float32)
    probabilities[np.arange(len(path)), path] = sure
    return np.log(probabilities)


def noise(frames: int, seed: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0.0, 2.0, (frames, len(TOKENS)))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def texts(found: BeamDecoder, log_probs: np.ndarray) -> list[str]:
    return [word.text for word in found.words(log_probs)]


@pytest.mark.parametrize("text", ["नम", "नम मन", " सम मत ", "नमस्ते मन नम"])
def test_what_is_clear_is_heard_as_greedy_hears_it(language_model: LanguageModel, text: str) -> None:
    log_probs = spell(text)
    found = decoder(language_model).words(log_probs, 2.0, 2.0 + len(log_probs) * STRIDE)
    assert [word.text for word in found] == text.split()
    assert found == GreedyDecoder(TOKENS, BLANK, STRIDE).words(log_probs, 2.0, 2.0 + len(log_probs) * STRIDE)


def test_a_misheard_letter_is_mended_by_the_lexicon(language_model: LanguageModel) -> None:
    assert texts(decoder(language_model), spell("नमस्मे")) == ["नमस्ते"]


def test_the_language_model_decides_between_words_that_sound_alike(language_model: LanguageModel) -> None:
    def unclear(text: str) -> np.ndarray:
        """Whether the last letter is न or त is nearly open."""
        log_probs = spell(text)
        last = [len(log_probs) - 3, len(log_probs) - 2]
        log_probs[last, TOKENS.index("न")] = np.log(0.44)
        log_probs[last, TOKENS.index("त")] = np.log(0.46)
        return log_probs

    deaf = BeamSettings(alpha=0.0, threshold=50.0)
    assert texts(decoder(language_model, deaf), unclear("नम मन")) == ["नम", "मत"]
    assert texts(decoder(language_model), unclear("नम मन")) == ["नम", "मन"]
    assert texts(decoder(language_model), unclear("सम मन")) == ["सम", "मत"]


def test_priors_make_rare_tokens_likelier(language_model: LanguageModel) -> None:
    log_probs = spell("मन")
    log_probs[3:5, TOKENS.index("न")] = np.log(0.5)
    log_probs[3:5, TOKENS.index("त")] = np.log(0.4)
    priors = tuple({"न": 0.3, "त": 0.02}.get(token, 0.1) for token in TOKENS)
    for prior, heard in ((0.0, "मन"), (1.0, "मत")):
        chosen = BeamSettings(alpha=0.0, prior=prior, priors=priors, threshold=50.0)
        assert texts(decoder(language_model, chosen), log_probs) == [heard]


def test_a_bonus_for_words_makes_more_of_them(language_model: LanguageModel) -> None:
    counts = [
        sum(
            len(texts(decoder(language_model, BeamSettings(beta=beta)), noise(30, seed))) for seed in range(5)
        )
        for beta in (-8.0, 0.0, 8.0)
    ]
    assert counts[0] < counts[1] < counts[2]


def test_nothing_said(language_model: LanguageModel) -> None:
    found = decoder(language_model)
    assert found.words(np.zeros((0, len(TOKENS)), np.float32)) == ()
    for token in (BLANK, GAP):
        silent = np.full((50, len(TOKENS)), -12.0, np.float32)
        silent[:, token] = -1e-4
        assert found.words(silent) == ()


def test_a_word_that_is_cut_off_is_left_out(language_model: LanguageModel) -> None:
    certain = spell("नम नमस्")
    certain[certain < -1.0] = -200.0
    assert texts(decoder(language_model), certain) == ["नम"]


def test_long_input(language_model: LanguageModel) -> None:
    sentence = "नम मन सम मत नमस्ते "
    assert texts(decoder(language_model), spell(sentence * 40)) == sentence.split() * 40


def test_an_utterance_does_not_depend_on_those_before(language_model: LanguageModel) -> None:
    shared = decoder(language_model)
    utterances = [noise(frames, frames) for frames in (3, 40, 17, 1, 90)]
    first = [shared.words(log_probs) for log_probs in utterances]
    assert [shared.words(log_probs) for log_probs in reversed(utterances)] == first[::-1]
    assert [decoder(language_model).words(log_probs) for log_probs in utterances] == first


@settings(max_examples=100, deadline=None)
@given(frames=st.integers(1, 60), seed=st.integers(0, 1 << 30), start=st.floats(0.0, 1e5), late=st.booleans())
def test_words_are_of_the_lexicon_and_in_order(
    language_model: LanguageModel, frames: int, seed: int, start: float, late: bool
) -> None:
    end = start + (frames - 0.5 * (not late)) * STRIDE
    words = decoder(language_model, BeamSettings(beta=2.0)).words(noise(frames, seed), start, end)
    assert {word.text for word in words} <= UNIGRAMS.keys()
    assert all(start <= word.start <= word.end <= end for word in words)
    assert all(one.end <= other.start for one, other in pairwise(words))
    assert all(0.0 <= word.confidence <= 1.0 for word in words)


def best_of_all_paths(
    log_probs: np.ndarray, chosen: BeamSettings, unigrams: Mapping[str, float] = UNIGRAMS
) -> list[tuple[float, tuple[str, ...]]]:
    """Brute force: score every sequence of words over all paths that spell it, best first."""
    sums: dict[tuple[str, ...], float] = {}
    for path in itertools.product(range(len(TOKENS)), repeat=len(log_probs)):
        spelt = "".join(TOKENS[token] for token, _ in groupby(path) if token != BLANK)
        words = tuple(word for word in spelt.split("▁") if word)
        if all(word in unigrams for word in words):
            score = float(log_probs[np.arange(len(path)), path].sum())
            sums[words] = np.logaddexp(sums.get(words, -math.inf), score)
    scored = []
    for words, score in sums.items():
        history, total = "<s>", score
        for word in (*words, "</s>"):
            language = BIGRAMS.get((history, word), unigrams.get(word, -0.5) - 0.3)
            total += chosen.alpha * math.log(10.0) * language + chosen.beta * (word != "</s>")
            history = word
        scored.append((total, words))
    return sorted(scored, reverse=True)


@pytest.mark.parametrize("seed", range(12))
def test_a_wide_beam_finds_the_best_of_all(language_model: LanguageModel, seed: int) -> None:
    """Four frames hold one word at most, so that no two sequences share a state of the language model."""
    log_probs = noise(4, seed)
    chosen = BeamSettings(alpha=0.4, beta=1.0, beam=10_000, tokens=len(TOKENS), threshold=1e9)
    (best, words), (second, _) = best_of_all_paths(log_probs, chosen)[:2]
    assert best - second > 1e-3, "choose another seed: it is a tie"
    assert tuple(texts(decoder(language_model, chosen), log_probs)) == words


def test_settings_are_read_and_checked() -> None:
    read = BeamSettings.of_model({"decoder": "beam", "alpha": 1, "beam": 7, "priors": [0.5, 0.5]}, 2)
    assert read == BeamSettings(alpha=1.0, beam=7, priors=(0.5, 0.5))
    assert BeamSettings.of_model({}, 2) == BeamSettings()
    for wrong in (
        {"alpha": "much"},
        {"alpha": float("nan")},
        {"beam": 0},
        {"tokens": -1},
        {"threshold": 0},
        {"priors": [0.5]},
        {"priors": [0.5, -0.5]},
        {"priors": 3},
    ):
        with pytest.raises(ModelInvalid, match="decoding"):
            BeamSettings.of_model(wrong, 2)


def test_a_prior_of_zero_does_not_make_a_token_certain() -> None:
    offsets = BeamSettings(prior=1.0, priors=(0.0, 1.0)).offsets(2)
    assert np.isfinite(offsets).all()
    assert offsets[1] == 0.0


def test_the_same_words_from_a_file_that_is_read_again(tmp_path: Path) -> None:
    path = write_language_model(tmp_path)
    first, second = (decoder(LanguageModel(path, TOKENS)).words(noise(50, 1)) for _ in range(2))
    assert first == second
