"""Which of a decoder's words are written: all that somebody may have said, none that nobody did."""

import math

import numpy as np
import pytest

from speech import ModelInvalid
from speech.decoding import FEATURES, GreedyDecoder, Plausibility
from speech.decoding.heard import NOTHING, Heard
from speech.decoding.plausibility import repetitions
from tests.speech.sounds import TOKENS
from tests.speech.test_beam import BLANK, STRIDE, spell

FLOOR = Plausibility(floor=0.3, sparse=0.14, repeated=0.5)


def heard(text: str, support: float | list[float] = 0.8, tokens: int = 4) -> Heard:
    """Words of four tokens a third of a second apart, each as probable as `support` says."""
    texts = tuple(text.split())
    features = np.zeros((len(texts), len(FEATURES)))
    features[:, 0] = np.log(support)
    features[:, 2] = math.log(tokens)
    firsts = np.arange(len(texts)) * 8
    return Heard(texts, firsts, firsts + 6, features)


def written(plausibility: Plausibility, found: Heard, seconds: float | None = None) -> str:
    length = len(found.texts) / 3 if seconds is None else seconds
    return " ".join(plausibility.written(found, length).texts)


def test_a_sentence_is_written_whole() -> None:
    sentence = heard("वह आज शाम को घर आएगा", [0.9, 0.8, 0.02, 0.7, 0.9, 0.6])
    assert FLOOR.written(sentence, 2.0) is sentence


def test_a_sentence_that_nobody_said_is_not_written() -> None:
    assert written(FLOOR, heard("भारत में लोगों को नहीं होगी", 0.1)) == ""


def test_a_single_word_needs_more_in_a_long_sound_than_in_a_short_one() -> None:
    assert written(FLOOR, heard("हाँ", 0.4, tokens=3), seconds=1.0) == "हाँ"
    assert written(FLOOR, heard("हाँ", 0.4, tokens=3), seconds=16.0) == ""
    assert written(FLOOR, heard("हाँ", 0.9, tokens=3), seconds=16.0) == "हाँ"


def test_a_held_tone_that_sounds_just_like_a_vowel_is_no_word() -> None:
    assert written(FLOOR, heard("ए", 0.99, tokens=1), seconds=8.0) == ""
    assert written(FLOOR, heard("ए", 0.99, tokens=1), seconds=2.0) == "ए"
    assert written(Plausibility(), heard("ए", 0.99, tokens=1), seconds=8.0) == "ए"


@pytest.mark.parametrize(
    "text",
    [
        "धीरे धीरे चलो",
        "जी जी",
        "हाँ हाँ हाँ",
        "नहीं नहीं नहीं मैं नहीं जाऊँगा",
        "कभी खुशी कभी गम कभी खुशी कभी गम",
        "एक दो तीन चार एक दो तीन चार एक दो तीन चार",
        "राम राम राम राम राम राम राम राम",
    ],
)
def test_what_people_repeat_stays(text: str) -> None:
    assert written(FLOOR, heard(text, 0.6)) == text


def test_three_times_in_a_row_is_no_repetition_however_mumbled() -> None:
    assert written(FLOOR, heard("हाँ हाँ हाँ", 0.35)) == "हाँ हाँ हाँ"


def test_forty_seconds_of_one_word_are_not_written() -> None:
    assert written(FLOOR, heard("भारत " + "के " * 120, 0.45), 40.0) == ""
    assert written(Plausibility(), heard("के " * 120, 0.45), 40.0) == ""


def test_only_the_repetition_goes() -> None:
    said = "आज मौसम अच्छा है"
    found = heard(f"{said} " + "के " * 10 + said, [0.9] * 4 + [0.3] * 10 + [0.9] * 4)
    assert written(FLOOR, found) == f"{said} {said}"


@pytest.mark.parametrize("phrase", ["के", "तो हो", "लोगों को नहीं", "में नहीं होगा तो"])
def test_repeated_phrases(phrase: str) -> None:
    assert written(FLOOR, heard(" ".join([phrase] * 4), 0.4)) == ""
    assert written(FLOOR, heard(" ".join([phrase] * 3), 0.4)) != ""


@pytest.mark.parametrize(
    ("letters", "found"),
    [("कखखखखग", [(1, 5)]), ("कखकखकखकखक", [(0, 9)]), ("खखखगखखख", []), ("", [])],
)
def test_where_phrases_are_repeated(letters: str, found: list[tuple[int, int]]) -> None:
    assert list(repetitions(list(letters))) == found


def test_a_model_without_figures_keeps_what_is_improbable() -> None:
    assert written(Plausibility.of_model({}, "beam"), heard("कुछ तो कहा", 0.01)) == "कुछ तो कहा"


def test_the_figures_of_a_model() -> None:
    decoding = {"plausibility": {"beam": {"floor": 0.3, "sparse": 0.1}}}
    assert Plausibility.of_model(decoding, "beam") == Plausibility(0.3, 0.1)
    assert Plausibility.of_model(decoding, "greedy") == Plausibility()


@pytest.mark.parametrize(
    "wrong",
    [
        "high",
        {"beam": 3},
        {"beam": {"floor": "much"}},
        {"beam": {"floor": 1.5}},
        {"beam": {"sparse": math.nan}},
    ],
)
def test_wrong_figures_are_refused(wrong: object) -> None:
    with pytest.raises(ModelInvalid, match="plausibility"):
        Plausibility.of_model({"plausibility": wrong}, "beam")


def test_nothing_heard() -> None:
    assert FLOOR.written(NOTHING, 3.0) is NOTHING
    assert NOTHING.avg_logprob is None


def test_the_average_is_over_tokens_not_over_words() -> None:
    found = heard("क नमस्ते", [0.5, 0.25])
    found.features[:, 2] = np.log([1, 3])
    assert found.avg_logprob == pytest.approx((math.log(0.5) + 3 * math.log(0.25)) / 4)


def test_blanks_and_spaces_do_not_count() -> None:
    decoder = GreedyDecoder(TOKENS, BLANK, STRIDE)
    assert decoder.hear(spell("नम मन", sure=0.9)).avg_logprob == pytest.approx(math.log(0.9), abs=1e-5)
