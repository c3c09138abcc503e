"""Where two windows of words are joined, and how they lie in a chunk."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.decoding import FEATURES, Heard, WordEmission
from speech.recognisers.word_layout import WordLayout
from speech.segments import Joiner, Piece

STRIDE = 0.02
LAYOUT = WordLayout(STRIDE, 16_000)


def emission(frames: int, *words: tuple[str, int, int]) -> WordEmission:
    firsts, lasts = (np.array([word[at] for word in words], np.intp) for at in (1, 2))
    heard = Heard(tuple(word[0] for word in words), firsts, lasts, np.zeros((len(words), len(FEATURES))))
    return WordEmission(heard, frames)


def joined(left: WordEmission, right: WordEmission, start: float) -> list[Piece[WordEmission]]:
    """Join two windows, the second of which begins at `start` seconds."""
    joiner = Joiner(LAYOUT, STRIDE)
    end = start + len(right) * STRIDE
    return [
        *joiner.push(left, 0.0, len(left) * STRIDE, False, True),
        *joiner.push(right, start, end, True, False),
    ]


def texts(pieces: list[Piece[WordEmission]]) -> list[str]:
    return [text for piece in pieces for text in piece.emission.heard.texts]


def test_a_slice_has_the_words_whose_middle_it_covers() -> None:
    whole = emission(100, ("क", 0, 20), ("ख", 30, 50), ("ग", 60, 104))
    part = whole[35:70]
    assert (part.heard.texts, len(part)) == (("ख",), 35)
    assert part.heard.firsts.tolist() == [0]
    assert part.heard.lasts.tolist() == [15]
    assert whole[70:].heard.texts == ("ग",)
    assert whole[:40].heard.texts == ("क",)


@given(st.integers(0, 100), st.lists(st.integers(1, 9), max_size=12))
def test_two_slices_have_each_word_once(cut: int, lengths: list[int]) -> None:
    ends = np.cumsum(lengths, dtype=np.intp)
    words = [
        (str(at), int(end) - length, int(end))
        for at, (end, length) in enumerate(zip(ends, lengths, strict=True))
    ]
    whole = emission(100, *words)
    assert whole[:cut].heard.texts + whole[cut:].heard.texts == whole.heard.texts


@pytest.mark.parametrize("late", [-12, -3, 0, 3, 12])
def test_no_word_is_lost_or_doubled_where_the_windows_disagree_about_times(late: int) -> None:
    left = emission(300, ("एक", 10, 60), ("दो", 205, 225), ("तीन", 226, 250), ("चार", 251, 270))
    shifted = [("दो", 5, 25), ("तीन,", 26, 50), ("चार", 51, 70), ("पाँच", 90, 120)]
    right = emission(200, *((text, max(a + late, 0), b + late) for text, a, b in shifted))
    pieces = joined(left, right, 4.0)
    assert [text.strip(",") for text in texts(pieces)] == ["एक", "दो", "तीन", "चार", "पाँच"]
    assert sum(piece.windows for piece in pieces) == 2
    last = pieces[-1]
    place = last.start / STRIDE + last.emission.heard.firsts[-1]
    assert place == pytest.approx(290 + late)


def test_without_a_common_word_the_seam_is_between_words() -> None:
    left = emission(300, ("एक", 10, 60), ("दो", 205, 240), ("x", 280, 300))
    right = emission(200, ("y", 0, 20), ("तीन", 50, 80), ("चार", 90, 120))
    assert texts(joined(left, right, 4.0)) == ["एक", "दो", "तीन", "चार"]


def test_an_overlap_without_words() -> None:
    assert texts(joined(emission(300, ("एक", 10, 60)), emission(200, ("दो", 150, 170)), 4.0)) == ["एक", "दो"]
    assert texts(joined(emission(300), emission(200), 4.0)) == []


def test_primed_with_a_window_only_what_is_new_comes_out() -> None:
    left = emission(300, ("एक", 10, 60), ("दो", 205, 225), ("तीन", 240, 260))
    right = emission(200, ("दो", 5, 25), ("तीन", 40, 60), ("चार", 90, 120))
    joiner = Joiner(LAYOUT, STRIDE)
    joiner.prime(left, 0.0)
    (piece,) = joiner.push(right, 4.0, 8.0, True, False)
    (_, expected) = joined(left, right, 4.0)
    assert piece.emission.heard.texts == expected.emission.heard.texts
    assert piece.start == expected.start


def test_the_words_of_a_run_lie_where_it_begins_in_the_chunk() -> None:
    assert LAYOUT.runs([(3200, 16_000), (32_000, 48_000)]) == [(3200, 48_000)]
    laid = LAYOUT.lay_out([((3200, 48_000), emission(140, ("एक", 0, 20)))], 64_000)
    assert (laid.heard.firsts.tolist(), laid.heard.lasts.tolist(), len(laid)) == ([10], [30], 200)


def test_one_behind_another() -> None:
    both = LAYOUT.concatenate(emission(50, ("एक", 0, 20)), emission(60, ("दो", 5, 30)))
    assert (both.heard.texts, len(both)) == (("एक", "दो"), 110)
    assert both.heard.firsts.tolist() == [0, 55]
