"""Hot-words: words and phrases that a request wants beam search to favour.

The decoder library supports one bonus for all words, but none for individual words. So each hot-word is added
to the trie a second time, with a special final separator: an extra token beyond the vocabulary, whose
emission is that of the separator plus the bonus. The bonus counts once per word, because plain separators
follow a word that has ended. The trie is not rebuilt: only the nodes on the paths of hot-words are copied,
and the rest is shared with the lexicon's trie, which is not modified (path copying: J. Driscoll et al.,
"Making Data Structures Persistent", JCSS 1989).

Source for boosting individual words during the search: P. Aleksic et al., "Bringing Contextual Information to
Google Speech Recognition" (Interspeech 2015).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from shrutlekh_contract.hotwords import MAX_WEIGHT

from speech.decoding.ngram_model import LanguageModel
from speech.text import normalise_for_scoring

_GRAIN: Final = 0.5
"""Bonuses are rounded to multiples of this (natural logarithm), because each distinct one adds a token."""


@dataclass(frozen=True, slots=True)
class _Hot:
    """A hot-word or phrase.

    Attributes:
        spelling: its token ids, with separators between words.
        label: number of the word that the language model scores in its place.
        bonus: added to that score (natural logarithm).
    """

    spelling: tuple[int, ...]
    label: int
    bonus: float


@dataclass(slots=True)
class _Branch:
    """The additions below a node of the trie."""

    children: dict[int, "_Branch"] = field(default_factory=dict)
    label: int | None = None
    score: float = -math.inf


class HotTrie:
    """The lexicon's trie with hot-words added.

    Attributes:
        trie: the decoder library's object.
        bonuses: bonus of each extra token on the separator's emission, shape (extra tokens,).
        unheeded: hot-words that the tokens cannot spell, as given.
    """

    def __init__(
        self, language_model: LanguageModel, hotwords: Iterable[str], weight: float, alpha: float, beta: float
    ) -> None:
        """Add `hotwords` to the trie of `language_model`.

        A word outside the lexicon scores like the lexicon's median word. A phrase scores the sum of its
        words, each with the bonus.

        Args:
            hotwords: words or phrases. Their punctuation and invisible characters are ignored.
            weight: bonus on the score of each word (natural logarithm).
            alpha, beta: see `speech.decoding.beam.BeamSettings`.

        Raises:
            ValueError: the weight is not in 0..`MAX_WEIGHT`.
        """
        if not 0.0 <= weight <= MAX_WEIGHT:
            raise ValueError(f"The weight of hot-words must be within 0 to {MAX_WEIGHT:g}, not {weight}.")
        from flashlight.lib.text.decoder import Trie

        self._language_model = language_model
        self._scale = alpha * math.log(10.0)
        self._weight, self._beta = weight, beta
        self.unheeded: list[str] = []
        found: dict[tuple[int, ...], _Hot] = {}
        for hotword in hotwords:
            hot = self._read(hotword)
            if hot is None:
                self.unheeded.append(hotword)
            else:
                found[hot.spelling] = hot
        bonuses = sorted({hot.bonus for hot in found.values()})
        self.bonuses: npt.NDArray[np.float32] = np.array(bonuses, np.float32)
        vocabulary = language_model.vocabulary
        ends = {bonus: vocabulary + column for column, bonus in enumerate(bonuses)}
        self.trie: Any = Trie(vocabulary + len(bonuses), language_model.separator)
        # Python would free the pointer that get_root() returns. search() returns a shared one.
        self.trie.search([]).children = _with(
            language_model.trie.search([]), self._branches(found.values(), ends)
        )

    def _read(self, hotword: str) -> _Hot | None:
        """Spell and score a hot-word. None if it is empty or has a character without a token."""
        model = self._language_model
        words = normalise_for_scoring(hotword).split()
        spelt = [model.spelling(word) for word in words]
        if not words or None in spelt:
            return None
        spelling: list[int] = []
        for ids in spelt:
            spelling += [model.separator, *(ids or ())]
        numbers = [model.number(word) for word in words]
        label = numbers[-1] if numbers[-1] is not None else model.unknown
        wanted, state = 0.0, model.model.start(True)
        for number in numbers:
            state, score = model.model.score(state, model.unknown if number is None else number)
            wanted += model.median_score if number is None else score
        bonus = self._scale * (wanted - model.unigram(label))
        bonus += self._weight * len(words) + self._beta * (len(words) - 1)
        return _Hot(tuple(spelling[1:]), label, round(bonus / _GRAIN) * _GRAIN)

    def _branches(self, found: Iterable[_Hot], ends: Mapping[float, int]) -> _Branch:
        root = _Branch()
        for hot in found:
            # The look-ahead score includes the bonus, so that the search does not prune a hot-word midway.
            ahead = self._language_model.unigram(hot.label)
            if self._scale > 0:
                ahead += hot.bonus / self._scale
            branch = root
            for token in (*hot.spelling, ends[hot.bonus]):
                branch = branch.children.setdefault(token, _Branch())
                branch.score = max(branch.score, ahead)
            branch.label = hot.label
        return root

    def emissions(self, emissions: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Append a column per extra token to `emissions` of shape (frames, vocabulary)."""
        separator = emissions[:, self._language_model.separator, None]
        return np.concatenate((emissions, separator + self.bonuses), axis=1)


def _with(node: Any | None, added: _Branch) -> dict[int, Any]:
    """Return the children of `node`, copied where `added` extends them."""
    from flashlight.lib.text.decoder import TrieNode

    children: dict[int, Any] = dict(node.children) if node is not None else {}
    for token, branch in added.children.items():
        plain = children.get(token)
        copy = TrieNode(token)
        copy.children = _with(plain, branch)
        copy.labels = plain.labels if plain is not None else []
        copy.scores = plain.scores if plain is not None else []
        if branch.label is not None:
            copy.labels, copy.scores = [branch.label], [branch.score]
        copy.max_score = max(branch.score, plain.max_score if plain is not None else -math.inf)
        children[token] = copy
    return children
