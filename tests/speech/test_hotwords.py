import math
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shrutlekh_contract.options import RecognitionOptions

from speech import Engine, HotwordsUnsupported
from speech.decoding import FEATURES, BeamDecoder, BeamSettings, Calibration, LanguageModel
from speech.decoding.beam import KEPT
from speech.decoding.hot_trie import HotTrie
from tests.speech.language_models import BIGRAMS, UNIGRAMS, write_language_model
from tests.speech.sounds import TOKENS, speak, write_model, write_wav
from tests.speech.test_beam import BLANK, PLAIN, STRIDE, best_of_all_paths, decoder, noise, spell, texts

KNOWN, NAME = "मत", "तन"
"""A word in the lexicon, and one outside it."""


@pytest.fixture(scope="module")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return LanguageModel(write_language_model(tmp_path_factory.mktemp("lm")), TOKENS)


@pytest.fixture(scope="module")
def plain(language_model: LanguageModel) -> BeamDecoder:
    return decoder(language_model)


def between(one: str, other: str, share: float) -> np.ndarray:
    """Spell `one`, but give each letter where `other` differs `share` times the probability."""
    log_probs = spell(one, sure=0.97)
    for position, (letter, rival) in enumerate(zip(one, other, strict=True)):
        if letter != rival:
            frames = [3 * position, 3 * position + 1]
            log_probs[frames, TOKENS.index(letter)] = math.log(0.96 / (1 + share))
            log_probs[frames, TOKENS.index(rival)] = math.log(0.96 * share / (1 + share))
    return log_probs


def test_a_name_that_no_lexicon_has_is_written(plain: BeamDecoder) -> None:
    log_probs = spell(f"नम {NAME} मन")
    assert NAME not in texts(plain, log_probs)
    assert texts(plain.preferring([NAME], 4.0), log_probs) == ["नम", NAME, "मन"]


@pytest.mark.parametrize("hot", [KNOWN, NAME])
def test_the_weight_is_what_the_sound_may_lack(plain: BeamDecoder, hot: str) -> None:
    rival = {"मत": "मन", "तन": "मन"}[hot]
    log_probs = between(rival, hot, share=0.2)
    assert texts(plain, log_probs) == [rival]
    heard = [texts(plain.preferring([hot], weight), log_probs) for weight in (0.0, 3.0, 6.0, 12.0)]
    assert heard[0] == [rival]
    assert heard[-1] == [hot]
    assert heard == sorted(heard, key=lambda words: words == [hot]), "once preferred, always preferred"


@pytest.mark.parametrize("seed", range(12))
def test_a_wide_beam_finds_the_best_of_all(language_model: LanguageModel, seed: int) -> None:
    """As in `test_beam`, plus the bonuses. A word outside the lexicon scores like its median word."""
    weight = 3.0
    chosen = BeamSettings(alpha=0.4, beta=1.0, beam=10_000, tokens=len(TOKENS), threshold=1e9)
    log_probs = noise(4, seed)
    scale = chosen.alpha * math.log(10.0)
    median = float(np.median(list(UNIGRAMS.values())))
    unknown = round((scale * (median + 6.0) + weight) * 2) / 2 - 6.0 * scale
    everything = best_of_all_paths(log_probs, chosen, {**UNIGRAMS, NAME: unknown / scale})
    ranked = sorted(
        ((score + weight * words.count(KNOWN), words) for score, words in everything), reverse=True
    )
    (best, words), (second, _) = ranked[:2]
    assert best - second > 0.1, "choose another seed: it is a tie"
    hot = decoder(language_model, chosen).preferring([KNOWN, NAME], weight)
    assert tuple(texts(hot, log_probs)) == words


def test_a_phrase_is_preferred_as_a_whole(plain: BeamDecoder) -> None:
    hot = plain.preferring([f"मन {NAME}"], 4.0)
    assert texts(hot, spell(f"नम मन {NAME} सम")) == ["नम", "मन", NAME, "सम"]
    for other in ("नम मन सम", "सम मन"):
        assert texts(hot, spell(other, sure=0.99)) == other.split(), "its first word alone is no phrase"


def test_a_phrase_of_known_words_may_win_against_the_language_model(language_model: LanguageModel) -> None:
    plain = decoder(language_model, BeamSettings(alpha=1.0, threshold=50.0))
    log_probs = np.concatenate((spell("नम "), between("मन", "मत", share=0.5)))
    assert texts(plain, log_probs) == ["नम", "मन"]
    assert texts(plain.preferring(["नम मत"], 4.0), log_probs) == ["नम", "मत"]
    assert texts(plain.preferring(["सम मत"], 4.0), log_probs) == ["नम", "मन"]


def test_what_is_added_to_a_word_and_to_a_phrase(language_model: LanguageModel) -> None:
    scale, beta, weight = 0.5 * math.log(10.0), 1.25, 3.0

    def bonus(*hotwords: str) -> list[float]:
        return list(HotTrie(language_model, hotwords, weight, 0.5, beta).bonuses)

    median = language_model.median_score
    assert bonus(KNOWN, "नम") == [weight], "a known word has its own score already"
    # Within the phrase the second word follows the first, where a pair is known or else backs off.
    for phrase, score in (("नम मन", -0.6 - 0.1), ("मन मत", -0.9 - 0.9 - 0.3), (f"नम {NAME}", -0.6 + median)):
        label = {"मन": -0.9, "मत": -0.9}.get(phrase.split()[1], -6.0)
        assert bonus(phrase) == [pytest.approx(scale * (score - label) + 2 * weight + beta, abs=0.25)]
    assert len(bonus(KNOWN, NAME, "नम मन", "मन मत")) == 4


def test_looking_ahead_never_promises_less_than_before(language_model: LanguageModel) -> None:
    hot = HotTrie(language_model, ["नमस", "मनम", NAME], 0.0, 0.5, 0.0)
    for word in (*UNIGRAMS, "नमस"):
        for length in range(1, len(word) + 1):
            spelling = [TOKENS.index(letter) for letter in word[:length]]
            before = language_model.trie.search(spelling)
            after = hot.trie.search(spelling)
            assert before is None or after.max_score >= before.max_score


def test_a_narrow_search_follows_as_many_tokens_as_without(language_model: LanguageModel) -> None:
    narrow = decoder(language_model, BeamSettings(alpha=0.5, tokens=1, threshold=50.0))
    hot = narrow.preferring([KNOWN, NAME, "मन मत"], 10.0)
    assert texts(hot, spell("नमस्ते नम")) == ["नमस्ते", "नम"]


def test_words_of_a_phrase_have_evidence_of_their_own(language_model: LanguageModel) -> None:
    calibration = Calibration(0.0, (1.0, 1.0, 0.0, 0.1, 1.0))
    plain = BeamDecoder(TOKENS, BLANK, STRIDE, language_model, PLAIN, calibration=calibration)
    hot = plain.preferring([f"{NAME} सेन"], 4.0)
    log_probs = spell(f"नम {NAME} सेन मन")
    words = hot.words(log_probs, 1.0, 1.0 + len(log_probs) * STRIDE)
    assert len(words) == 4
    assert all(one.end <= other.start for one, other in pairwise(words))
    assert hot.hear(log_probs).features.shape == (4, len(FEATURES))


def test_one_request_does_not_touch_another(plain: BeamDecoder) -> None:
    log_probs = [spell(f"नम {NAME} मन"), between("मन", KNOWN, 0.2), noise(60, 1), noise(60, 2)]
    before = [plain.words(rows) for rows in log_probs]
    first, second = plain.preferring([NAME], 6.0), plain.preferring([KNOWN], 12.0)
    assert texts(first, log_probs[0]) == ["नम", NAME, "मन"]
    assert NAME not in texts(second, log_probs[0])
    assert (texts(first, log_probs[1]), texts(second, log_probs[1])) == (["मन"], [KNOWN])
    assert [plain.words(rows) for rows in log_probs] == before


letters = st.text(alphabet="नमसतेX ", min_size=0, max_size=8)


@settings(max_examples=60, deadline=None)
@given(hotwords=st.lists(letters, max_size=6), weight=st.floats(0.0, 20.0), seed=st.integers(0, 1 << 30))
def test_any_hot_words(
    language_model: LanguageModel, plain: BeamDecoder, hotwords: list[str], weight: float, seed: int
) -> None:
    log_probs = noise(40, seed)
    before = plain.words(log_probs)
    hot = plain.preferring(hotwords, weight)
    words = hot.words(log_probs, 3.0, 4.6)
    allowed = UNIGRAMS.keys() | {word for hotword in hotwords for word in hotword.split()}
    assert {word.text for word in words} <= allowed
    assert not any("X" in word.text for word in words)
    assert all(3.0 <= word.start <= word.end <= 4.6 and 0.0 <= word.confidence <= 1.0 for word in words)
    assert all(one.end <= other.start for one, other in pairwise(words))
    assert plain.words(log_probs) == before


def test_what_cannot_be_spelt_is_named_and_changes_nothing(plain: BeamDecoder) -> None:
    given_ = ["GST", "ऋषि", "१२", " ", "।", "नम GST"]
    hot = plain.preferring([*given_, NAME], 4.0)
    assert hot.unheeded == tuple(given_)
    assert texts(hot, spell(NAME)) == [NAME]
    assert plain.preferring(given_, 4.0).words(noise(50, 3)) == plain.words(noise(50, 3))
    assert plain.unheeded == ()


def test_punctuation_and_joiners_do_not_matter(plain: BeamDecoder) -> None:
    assert texts(plain.preferring([" त\u200dन। "], 4.0), spell(NAME)) == [NAME]


def test_words_that_begin_alike(plain: BeamDecoder) -> None:
    hot = plain.preferring(["नमस्", "नमस्तेस", "न", "नमस्ते"], 4.0)
    for word in ("नमस्", "नमस्तेस", "न", "नमस्ते", "नम", "मन"):
        assert texts(hot, spell(f"{word} सम")) == [word, "सम"]


def test_without_a_weight_for_language(language_model: LanguageModel) -> None:
    deaf = decoder(language_model, BeamSettings(alpha=0.0, threshold=50.0))
    assert texts(deaf.preferring([NAME], 4.0), spell(NAME)) == [NAME]


@pytest.mark.parametrize("weight", [-0.1, 20.5, math.nan, math.inf])
def test_a_weight_that_is_none(plain: BeamDecoder, weight: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        plain.preferring([NAME], weight)


def test_the_last_sets_are_kept_and_no_more(language_model: LanguageModel) -> None:
    plain = decoder(language_model)
    first = plain.preferring([NAME], 4.0)
    assert plain.preferring([NAME], 4.0) is first
    assert plain.preferring([NAME], 5.0) is not first
    for weight in range(KEPT):
        plain.preferring([NAME], float(weight) + 0.5)
    again = plain.preferring([NAME], 4.0)
    assert again is not first
    assert again.words(noise(40, 1)) == first.words(noise(40, 1))


def test_many_sets_one_after_another(language_model: LanguageModel) -> None:
    """Tries share nodes of the decoder library, which must not be freed twice or too early."""
    dice = np.random.default_rng(0)
    plain = decoder(language_model)
    for _ in range(200):
        words = ["".join(dice.choice(list("नमसते"), size=dice.integers(1, 8))) for _ in range(20)]
        hot = plain.preferring(words, 4.0)
        found = texts(hot, spell(words[0]))
        assert found
        assert {*found} <= {*words, *UNIGRAMS}


class TestEngine:
    @pytest.fixture
    def model(self, tmp_path: Path) -> Path:
        folder = write_model(tmp_path / "model", decoding={"decoder": "beam", "alpha": 0.5})
        write_language_model(folder / "lm")
        return folder

    @pytest.fixture
    def recording(self, tmp_path: Path) -> Path:
        return write_wav(tmp_path / "a.wav", speak(f"नम {NAME} मन"))

    def heard(self, engine: Engine, path: Path, options: RecognitionOptions) -> str:
        return " ".join(segment.text for segment in engine.transcribe(path, options=options).segments())

    def test_hot_words_of_one_recording(
        self, model: Path, recording: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        engine = Engine.load(model)
        without = self.heard(engine, recording, RecognitionOptions())
        assert NAME not in without
        assert self.heard(engine, recording, RecognitionOptions(hotwords=(NAME, "GST"))) == f"नम {NAME} मन"
        assert "cannot spell: 1" in caplog.text
        assert self.heard(engine, recording, RecognitionOptions()) == without

    def test_they_ask_for_beam_search_where_the_model_decodes_greedily(
        self, model: Path, recording: Path
    ) -> None:
        engine = Engine.load(model, decoder="greedy")
        assert self.heard(engine, recording, RecognitionOptions(hotwords=(NAME,))) == f"नम {NAME} मन"

    def test_greedy_decoding_heeds_none_and_says_so(self, model: Path, recording: Path) -> None:
        with pytest.raises(HotwordsUnsupported, match="decoder=greedy"):
            Engine.load(model).transcribe(
                recording, options=RecognitionOptions(decoder="greedy", hotwords=(NAME,))
            )

    def test_a_model_without_a_language_model(self, tmp_path: Path, recording: Path) -> None:
        engine = Engine.load(write_model(tmp_path / "plain"))
        with pytest.raises(HotwordsUnsupported, match="no language model"):
            engine.transcribe(recording, options=RecognitionOptions(hotwords=(NAME,)))

    def test_without_the_library(self, model: Path, recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "flashlight.lib.text.decoder", None)
        engine = Engine.load(model)
        with pytest.raises(HotwordsUnsupported, match="not installed"):
            engine.transcribe(recording, options=RecognitionOptions(hotwords=(NAME,)))


def test_the_language_model_of_the_tests_is_what_they_take_it_for(language_model: LanguageModel) -> None:
    assert language_model.number(NAME) is None
    assert language_model.number(KNOWN) is not None
    assert BIGRAMS[("नम", "मन")] > UNIGRAMS["मन"]
