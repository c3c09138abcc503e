"""Joining overlapping windows, with the output of the toy model and of the installed one."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech import Engine
from speech.audio import open_audio
from speech.decoding import GreedyDecoder
from speech.segments import Joiner, Piece, SeamFinder
from speech.segments.joining import LogProbs
from tests.speech.sounds import TOKENS

STRIDE = 0.04
PIECES = ("<blk>", "▁नम", "स्ते", "▁मन")
"""Tokens in SentencePiece's style, without a separate space."""


def heard(path: list[int], vocabulary: int = len(TOKENS), doubt: float = 0.02, seed: int = 0) -> LogProbs:
    """Make log-probabilities whose most probable tokens are `path`."""
    dice = np.random.default_rng(seed)
    rows = dice.uniform(0.0, doubt / vocabulary, (len(path), vocabulary))
    rows[np.arange(len(path)), path] = 1.0
    result: LogProbs = np.log(rows / rows.sum(axis=1, keepdims=True) + 1e-9).astype(np.float32)
    return result


def spell(text: str, dice: np.random.Generator) -> list[int]:
    """Spell a text as frames of the toy model: letters of varying length, some followed by blanks."""
    path: list[int] = []
    for letter in text.replace(" ", "▁"):
        path += [TOKENS.index(letter)] * int(dice.integers(1, 4)) + [0] * int(dice.integers(1, 4))
    return path


def words_of(pieces: list[Piece], tokens: tuple[str, ...] = TOKENS) -> list[str]:
    decoder = GreedyDecoder(tokens, 0, STRIDE)
    return [word.text for p in pieces for word in decoder.words(p.emission, p.start, p.end)]


def joined(rows: LogProbs, cuts: list[tuple[int, int]], tokens: tuple[str, ...] = TOKENS) -> list[Piece]:
    """Join windows of frames begin..end-1, with wrong output at the edges of each."""
    joiner = Joiner(SeamFinder(tokens, 0, STRIDE), STRIDE)
    pieces: list[Piece] = []
    for number, (begin, end) in enumerate(cuts):
        window = rows[begin:end].copy()
        for edge in (
            slice(0, 5) if begin else slice(0, 0),
            slice(-5, None) if end < len(rows) else slice(0, 0),
        ):
            window[edge] = heard([2] * len(window[edge]), len(tokens))
        last = number == len(cuts) - 1
        pieces += joiner.push(window, begin * STRIDE, end * STRIDE, number > 0, not last)
    assert not joiner.flush()
    assert sum(piece.windows for piece in pieces) == len(cuts)
    return pieces


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.text("नमसत", min_size=1, max_size=5), min_size=12, max_size=40),
    st.integers(0, 1000),
    st.lists(st.integers(110, 200), min_size=1, max_size=20),
)
def test_the_words_are_those_of_the_whole_wherever_it_is_cut(
    words: list[str], seed: int, lengths: list[int]
) -> None:
    rows = heard(spell(" ".join(words), np.random.default_rng(seed)), seed=seed)
    cuts, begin = [], 0
    for length in [*lengths, *[200] * 40]:
        cuts.append((begin, min(begin + length, len(rows))))
        if begin + length >= len(rows):
            break
        begin += length - 50
    pieces = joined(rows, cuts)
    assert words_of(pieces) == words_of([Piece(0.0, len(rows) * STRIDE, rows, 1)])
    assert sum(len(piece.emission) for piece in pieces) == len(rows)
    for one, other in pairwise(pieces):
        assert one.start + len(one.emission) * STRIDE == pytest.approx(other.start)


def test_tokens_that_begin_words_need_no_space() -> None:
    path = [1, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0] * 20
    rows = heard(path, len(PIECES))
    pieces = joined(rows, [(0, 130), (80, 240)], PIECES)
    assert len(pieces) == 2
    assert words_of(pieces, PIECES) == ["नमस्ते", "मन"] * 20


def test_a_word_longer_than_the_overlap_is_kept_whole() -> None:
    rows = heard(spell("न" + "मसत" * 40, np.random.default_rng(1)))
    cuts = [(0, 150), (100, 250), (200, len(rows))]
    pieces = joined(rows, cuts)
    assert len(pieces) == 1
    assert words_of(pieces) == words_of([Piece(0.0, len(rows) * STRIDE, rows, 1)])


def test_what_is_held_is_bounded() -> None:
    joiner = Joiner(SeamFinder(TOKENS, 0, STRIDE), STRIDE)
    pieces: list[Piece] = []
    rows = heard(spell("मसत" * 30, np.random.default_rng(1)))[:100]
    for number in range(50):
        pieces += joiner.push(rows, number * 2.0, number * 2.0 + 4.0, number > 0, True)
        assert all(len(piece.emission) <= 100 * 4 for piece in pieces)
    assert sum(piece.windows for piece in pieces) >= 50 - 4


def test_a_window_whose_neighbour_is_absent_begins_by_itself() -> None:
    joiner = Joiner(SeamFinder(TOKENS, 0, STRIDE), STRIDE)
    rows = heard(spell("नम मत", np.random.default_rng(1)))
    (piece,) = joiner.push(rows, 8.0, 9.0, follows=True, goes_on=False)
    assert (piece.start, piece.end, piece.windows) == (8.0, 9.0, 1)
    np.testing.assert_array_equal(piece.emission, rows)
    assert joiner.flush() == []


def test_primed_with_a_window_only_what_is_new_comes_out() -> None:
    rows = heard(spell("नम मत सन तन मन नम तत सम मत नम सस तन मन सन", np.random.default_rng(4)))
    cut = len(rows) // 2
    whole = Joiner(SeamFinder(TOKENS, 0, STRIDE), STRIDE)
    expected = whole.push(rows[: cut + 25], 0.0, 5.0, False, True)
    assert expected == []
    start = (cut - 25) * STRIDE
    first, second = whole.push(rows[cut - 25 :], start, 9.0, True, False)
    assert words_of([first]) + words_of([second]) == words_of([Piece(0.0, 9.0, rows, 1)])
    resumed = Joiner(SeamFinder(TOKENS, 0, STRIDE), STRIDE)
    resumed.prime(rows[: cut + 25], 0.0)
    (only,) = resumed.push(rows[cut - 25 :], start, 9.0, True, False)
    assert (only.start, only.end, only.windows) == (second.start, second.end, 1)
    np.testing.assert_array_equal(only.emission, second.emission)


def test_real_speech_without_pauses(installed_model: Path, clips: list[Path]) -> None:
    """Windows of 10 s that overlap by 2 s give almost the same words as a single window."""
    engine = Engine.load(installed_model)
    model = engine.folder
    parts = []
    for clip in clips[:10]:
        with open_audio(clip, model.sample_rate) as audio:
            parts.append(np.concatenate(list(audio), axis=1)[0])
    signal = np.concatenate(parts)[: 26 * model.sample_rate]  # a graph may have no positions beyond 30 s
    decoder = GreedyDecoder.of_model(model)
    joiner = Joiner(SeamFinder(model.tokens, model.blank_id, model.frame_stride), model.frame_stride)
    pieces: list[Piece] = []
    starts = range(0, 24, 8)
    for start in starts:
        samples = signal[start * model.sample_rate : (start + 10) * model.sample_rate]
        (rows,) = engine.recogniser.log_probs([samples])
        pieces += joiner.push(rows, start, start + 10, start > 0, start != starts[-1])
    found = [word.text for p in pieces for word in decoder.words(p.emission, p.start, p.end)]
    (rows,) = engine.recogniser.log_probs([signal])
    whole = [word.text for word in decoder.words(rows)]
    assert abs(len(found) - len(whole)) <= 0.2 * len(whole)
    assert len(pieces) > 1
