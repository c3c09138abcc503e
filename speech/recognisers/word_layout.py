"""How words that a model gives lie in a chunk, and where two overlapping windows of them are joined."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

from speech.decoding import Heard, WordEmission
from speech.decoding.word_emission import moved
from speech.segments import Seam, Span
from speech.text import normalise_for_scoring

SAME_WORD_SECONDS = 0.5
"""Two windows have the same word if its text is equal and the middles are no further apart."""


class WordLayout:
    """A chunk is recognised in one run, from the first to the last voiced sample: a run costs Whisper 30
    seconds of encoding, however short it is.

    Windows are joined behind a word that both have, the one next to the middle of the overlap. Each window is
    cut behind that word at its own time, so that no word is lost or doubled where the windows disagree about
    times. Without such a word the seam cuts as few words as possible.
    """

    def __init__(self, frame_stride: float, sample_rate: int) -> None:
        self._stride = max(round(frame_stride * sample_rate), 1)
        self._near = SAME_WORD_SECONDS / frame_stride

    def runs(self, voiced: Sequence[Span]) -> Sequence[Span]:
        return [(voiced[0][0], voiced[-1][1])]

    def lay_out(self, parts: Sequence[tuple[Span, WordEmission]], samples: int) -> WordEmission:
        (((begin, _), emission),) = parts
        return WordEmission(moved(emission.heard, begin // self._stride), max(samples // self._stride, 1))

    def find(self, left: WordEmission, right: WordEmission) -> Seam:
        return self._behind_the_same_word(left, right) or _between_words(left, right)

    def _behind_the_same_word(self, left: WordEmission, right: WordEmission) -> Seam | None:
        firsts, seconds = _middles(left.heard), _middles(right.heard)
        names, others = _names(left.heard), _names(right.heard)
        middle = len(left) / 2
        found = []
        for one, other in product(range(len(names)), range(len(others))):
            apart = abs(firsts[one] - seconds[other])
            if names[one] == others[other] and apart <= self._near:
                aside = abs((firsts[one] + seconds[other]) / 2 - middle)
                found.append((apart + aside, one, other))
        if not found:
            return None
        _, one, other = min(found)
        ends = int(left.heard.lasts[one]), int(right.heard.lasts[other])
        return Seam(min(ends[0], len(left)), min(ends[1], len(right)), between_words=True)

    def concatenate(self, left: WordEmission, right: WordEmission) -> WordEmission:
        behind = moved(right.heard, len(left))
        return WordEmission(left.heard.followed_by(behind), len(left) + len(right))


def _between_words(left: WordEmission, right: WordEmission) -> Seam:
    """Cut as few words as possible, and of equal places at the one next to the middle of the overlap."""
    firsts = np.concatenate((left.heard.firsts, right.heard.firsts))
    lasts = np.concatenate((left.heard.lasts, right.heard.lasts))
    places = np.unique(np.clip(np.concatenate((firsts, lasts, [len(left) // 2])), 0, len(left)))
    cut = ((firsts < places[:, None]) & (places[:, None] < lasts)).sum(axis=1)
    best = int(places[np.lexsort((np.abs(places - len(left) / 2), cut))[0]])
    return Seam(best, best, between_words=True)


def _middles(heard: Heard) -> npt.NDArray[np.float64]:
    middles: npt.NDArray[np.float64] = (heard.firsts + heard.lasts) / 2
    return middles


def _names(heard: Heard) -> list[str]:
    """The texts as they are compared: punctuation differs more easily than words do."""
    return [normalise_for_scoring(text) or text for text in heard.texts]
