"""What keeps invented words out of transcripts: music and noise that pass the voice detector are decoded too.

A floor under segments and a guard against repetitions. Both look only at how well the acoustic model supports
the words. They work on one utterance, so that an interrupted attempt is resumed with the same words.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from speech.decoding.confidence import plain_confidences
from speech.decoding.heard import Heard
from speech.errors import ModelInvalid

DENSE: Final = 3.0
"""Tokens per second of an utterance from which it counts as dense: even slow speech has twice as many."""

LONE: Final = 0.15
"""Tokens per second below which nothing is written, if the model asks sparse utterances for more support.
A held tone can sound just like the vowel ए."""

REPEATS: Final = 4
"""How often a phrase must occur in a row to count as repeated: nobody doubts नहीं नहीं नहीं."""

PHRASE: Final = 4
"""Words of the longest phrase whose repetition is looked for."""

REPEATED: Final = 0.5
"""Support that repeated words need if the model names no other figure."""


@dataclass(frozen=True, slots=True)
class Plausibility:
    """Decides which words of an utterance are written.

    The support of words is the mean over the words of the geometric mean of their tokens' probabilities, as
    the acoustic model gives them. The language model has no part in it.

    Attributes:
        floor: support that an utterance needs; 0 writes everything.
        sparse: added to `floor` for each factor of e by which an utterance has fewer tokens per second than
            `DENSE`. A single word in ten seconds of sound is more often invented than one in a second.
        repeated: support that a phrase needs if it occurs `REPEATS` times in a row or more.
    """

    floor: float = 0.0
    sparse: float = 0.0
    repeated: float = REPEATED

    @classmethod
    def of_model(cls, decoding: Mapping[str, Any], decoder: str) -> Self:
        """Read a decoder's figures from `decoding.plausibility` in model.json; others keep their defaults.

        Raises:
            ModelInvalid: a figure is not a number from 0 to 1.
        """
        default = cls()
        try:
            entry = decoding.get("plausibility", {}).get(decoder, {})
            found = cls(
                floor=float(entry.get("floor", default.floor)),
                sparse=float(entry.get("sparse", default.sparse)),
                repeated=float(entry.get("repeated", default.repeated)),
            )
        except (AttributeError, TypeError, ValueError) as error:
            raise ModelInvalid(f"'decoding.plausibility' in model.json: {error}.") from error
        if not all(0.0 <= value <= 1.0 for value in (found.floor, found.sparse, found.repeated)):
            raise ModelInvalid("'decoding.plausibility' in model.json: numbers must be from 0 to 1.")
        return found

    def written(self, heard: Heard, seconds: float) -> Heard:
        """Return the words of an utterance that are plausible.

        Args:
            seconds: length of the utterance.
        """
        if not heard.texts:
            return heard
        support = plain_confidences(heard.features)
        kept = np.ones(len(heard.texts), bool)
        for first, last in repetitions(heard.texts):
            if support[first:last].mean() < self.repeated:
                kept[first:last] = False
        if kept.any() and support[kept].mean() < self._needed(heard.tokens[kept].sum() / max(seconds, 1e-3)):
            kept[:] = False
        return heard.only(kept)

    def _needed(self, density: float) -> float:
        """Support that an utterance of `density` tokens per second needs."""
        if self.sparse and density < LONE:
            return math.inf
        return self.floor + self.sparse * max(math.log(DENSE / density), 0.0)


def repetitions(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield where a phrase of up to `PHRASE` words occurs `REPEATS` times in a row or more.

    Yields:
        The first word and the one after the last, for each length of phrase in order; they may overlap.
    """
    for length in range(1, PHRASE + 1):
        begin = 0
        for index in range(length, len(texts) + 1):
            if index < len(texts) and texts[index] == texts[index - length]:
                continue
            if index - begin >= REPEATS * length:
                yield begin, index
            begin = index - length + 1
