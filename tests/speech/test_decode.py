import math
import time
from itertools import groupby, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech import ModelInvalid
from speech.decoding import GreedyDecoder, WordTimes
from transcript.words import Word

STRIDE = 0.04
TOKENS = ("<blk>", "▁", "क", "ा", "▁म", "़", "<unk>", "ल")


def naive(log_probs: np.ndarray, tokens: tuple[str, ...], blank: int, start: float, end: float) -> list[Word]:
    """Reference implementation of best-path decoding."""
    words: list[list[tuple[str, int, int, float]]] = []
    fresh = True
    path = [(int(row.argmax()), frame) for frame, row in enumerate(log_probs)]
    for token, run in groupby(path, key=lambda step: step[0]):
        frames = [frame for _, frame in run]
        if token == blank:
            continue
        text = tokens[token]
        if text.startswith("▁"):
            fresh = True
        text = text.replace("▁", "")
        if not text or text == "<unk>":
            continue
        if fresh:
            words.append([])
            fresh = False
        words[-1].append((text, frames[0], frames[-1] + 1, max(float(log_probs[f, token]) for f in frames)))
    return [
        Word(
            "".join(text for text, *_ in word),
            min(start + word[0][1] * STRIDE, end),
            min(start + word[-1][2] * STRIDE, end),
            math.exp(sum(score for *_, score in word) / len(word)),
        )
        for word in words
    ]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, len(TOKENS) - 1), max_size=40), st.integers(0, 10_000), st.floats(0, 100))
def test_equals_a_loop_over_frames(path: list[int], seed: int, start: float) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(len(path), len(TOKENS)))
    logits[np.arange(len(path)), path] += 4.0
    log_probs = (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)
    end = start + max(len(path) - 0.5, 0) * STRIDE
    found = GreedyDecoder(TOKENS, 0, STRIDE).words(log_probs, start, end)
    expected = naive(log_probs, TOKENS, 0, start, end)
    assert [word.text for word in found] == [word.text for word in expected]
    for word, other in zip(found, expected, strict=True):
        assert (word.start, word.end) == pytest.approx((other.start, other.end))
        assert word.confidence == pytest.approx(other.confidence, rel=1e-4)
        assert 0.0 <= word.confidence <= 1.0
        assert start <= word.start <= word.end <= max(end, start)


def spell(*path: int, sure: float = 0.9) -> np.ndarray:
    rest = (1.0 - sure) / (len(TOKENS) - 1)
    probabilities = np.full((len(path), len(TOKENS)), rest, np.float32)
    probabilities[np.arange(len(path)), path] = sure
    return np.log(probabilities)


@pytest.mark.parametrize(
    ("path", "texts"),
    [
        ((), []),
        ((0, 0, 0), []),
        ((1, 1, 0), []),
        ((2, 2, 0, 2), ["कक"]),
        ((2, 1, 2), ["क", "क"]),
        ((2, 1, 1, 0, 1, 4), ["क", "म"]),
        ((4, 3, 4, 3), ["मा", "मा"]),
        ((6, 2, 6, 3), ["का"]),
        ((1, 6, 1), []),
        ((2, 5), ["क़"]),
    ],
)
def test_words(path: tuple[int, ...], texts: list[str]) -> None:
    assert [word.text for word in GreedyDecoder(TOKENS, 0, STRIDE).words(spell(*path))] == texts


def test_times_and_confidence_of_a_word() -> None:
    log_probs = spell(0, 2, 2, 0, 3, 0, 1, 7)
    log_probs[2, 2] = np.log(0.4)
    first, second = GreedyDecoder(TOKENS, 0, STRIDE).words(log_probs, start=10.0)
    assert (first.text, first.start, first.end) == ("का", pytest.approx(10.04), pytest.approx(10.20))
    assert (second.text, second.start, second.end) == ("ल", pytest.approx(10.28), pytest.approx(10.32))
    assert first.confidence == pytest.approx(0.9)
    assert GreedyDecoder(TOKENS, 0, STRIDE).words(log_probs, start=10.0, end=10.3)[1].end == 10.3


def test_another_blank() -> None:
    decoder = GreedyDecoder(("क", "<b>"), 1, STRIDE)
    assert [word.text for word in decoder.words(np.log(np.array([[0.9, 0.1], [0.1, 0.9]], np.float32)))] == [
        "क"
    ]


def test_a_long_utterance_takes_milliseconds() -> None:
    rng = np.random.default_rng(0)
    log_probs = np.log(rng.dirichlet(np.full(80, 0.05), size=10_000).astype(np.float32) + 1e-9)
    decoder = GreedyDecoder(("<blk>", "▁", *(chr(0x904 + i) for i in range(78))), 0, STRIDE)
    began = time.perf_counter()
    words = decoder.words(log_probs)
    assert len(words) > 50
    assert time.perf_counter() - began < 5


def test_times_are_moved_to_where_the_word_is_heard() -> None:
    log_probs = spell(0, 2, 2, 0, 0, 0, 1, 7, 0, 0, 0, 0)
    moved = GreedyDecoder(TOKENS, 0, STRIDE, WordTimes(start=-0.02, end=0.08)).words(log_probs, start=10.0)
    assert [(w.start, w.end) for w in moved] == [
        (pytest.approx(10.02), pytest.approx(10.20)),
        (pytest.approx(10.26), pytest.approx(10.40)),
    ]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, len(TOKENS) - 1), max_size=40),
    st.floats(-1, 1),
    st.floats(-1, 1),
    st.floats(0, 100),
)
def test_moved_words_stay_in_order_apart_and_within(
    path: list[int], early: float, late: float, start: float
) -> None:
    end = start + max(len(path) - 0.5, 0) * STRIDE
    log_probs = spell(*path)
    plain = GreedyDecoder(TOKENS, 0, STRIDE).words(log_probs, start, end)
    moved = GreedyDecoder(TOKENS, 0, STRIDE, WordTimes(early, late)).words(log_probs, start, end)
    assert [w.text for w in moved] == [w.text for w in plain]
    assert all(start <= w.start <= w.end <= max(end, start) for w in moved)
    assert all(one.start <= other.start and one.end <= other.end for one, other in pairwise(moved))
    assert all(one.end <= other.start or one.end == one.start for one, other in pairwise(moved))


def test_times_of_a_model() -> None:
    assert WordTimes.of_model({"times": {"start": -0.01, "end": 0.08}}) == WordTimes(-0.01, 0.08)
    assert WordTimes.of_model({}) == WordTimes(0.0, 0.0)
    for wrong in ({"start": "soon"}, {"begin": 0.1}, {"end": 3.0}, {"end": math.nan}, [0.1], 3):
        with pytest.raises(ModelInvalid, match=r"decoding\.times"):
            WordTimes.of_model({"times": wrong})
