"""What keeps Whisper from inventing: it writes something for any sound, and it can fall into a loop.

The thresholds are those of A. Radford et al., "Robust Speech Recognition via Large-Scale Weak Supervision"
(2022), section 4.5.
"""

import math
import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

NO_SPEECH: Final = 0.6
"""Probability of the token for no speech from which a text is dropped, unless the model is sure of it."""

SURE: Final = -1.0
"""Mean log-probability of the tokens from which the model is sure of a text."""

REPETITIVE: Final = 2.4
"""Factor by which a text can be compressed from which it counts as a loop."""

NO_REPEAT: Final = 10
"""In the second try, no sequence of so many tokens may occur twice. Whisper's own remedy, sampling, would
give another text in each attempt at a recording."""

TOKENS_PER_SECOND: Final = 30
"""Most tokens in a second of audio. Hindi has 1.1 tokens a letter, fast speakers say 20 letters a second."""

LEAST_TOKENS: Final = 20
"""Tokens that even the shortest audio may have."""

MOST_TOKENS: Final = 440
"""Tokens that fit in the model's 448 positions, behind the prompt."""

PHRASE: Final = 8
"""Words of the longest phrase whose repetition is looked for."""

REPEATS: Final = 6
"""How often nobody says a phrase in a row. What is repeated more often is written once."""


def most_tokens(seconds: float) -> int:
    """Return how many tokens a person can say at most."""
    return min(LEAST_TOKENS + math.ceil(seconds * TOKENS_PER_SECOND), MOST_TOKENS)


def is_silence(no_speech: float, mean_log_prob: float) -> bool:
    """Whether a text was invented for audio without speech."""
    return no_speech > NO_SPEECH and mean_log_prob < SURE


def is_repetitive(text: str) -> bool:
    """Whether a text is probably a loop.

    It is compressed with one byte a letter. In UTF-8 two of three bytes of Devanagari say only which alphabet
    it is, and most texts of some length would count as loops.
    """
    letters = bytes(ord(character) & 0xFF for character in text)
    return len(letters) > REPETITIVE * len(zlib.compress(letters))


def without_loops(texts: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Mark the words to keep, shape (words,): of a phrase that is repeated more than `REPEATS` times only the
    first."""
    kept = np.ones(len(texts), bool)
    for length in range(1, PHRASE + 1):
        begin = 0
        for index in range(length, len(texts) + 1):
            if index < len(texts) and texts[index] == texts[index - length]:
                continue
            if index - begin > REPEATS * length:
                kept[begin + length : index] = False
            begin = index - length + 1
    return kept
