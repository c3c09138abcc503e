"""Words of a sequence of tokens with their times, from the path of the model's cross-attention."""

from collections.abc import Sequence

import numpy as np

from speech.decoding import FEATURES, Heard
from speech.recognisers.whisper.vocabulary import Vocabulary

FRAME_SECONDS = 0.02

LONG_WORD = 0.7
"""Seconds: a word may be twice as long as the median of its text's words, which counts as this at most. The
path gives a word the pause before it too."""


def aligned_words(
    vocabulary: Vocabulary,
    tokens: Sequence[int],
    path: Sequence[tuple[int, int]],
    probabilities: Sequence[float],
) -> Heard:
    """Split tokens into words and give them times.

    Args:
        path: pairs of token and frame, both not decreasing. The token behind the last one is the end of text.
        probabilities: of each token.
    """
    words = vocabulary.words(tokens)
    numbers, frames = np.array(path or [(0, 0)], np.intp).T
    places = np.minimum(np.searchsorted(numbers, np.arange(len(tokens) + 1)), len(frames) - 1)
    begins = frames[places]
    firsts, lasts = np.zeros((2, len(words)), np.intp)
    features = np.zeros((len(words), len(FEATURES)))
    logs = np.log(np.maximum(np.array(probabilities, np.float64), 1e-10))
    end = 0
    for number, word in enumerate(words):
        firsts[number] = max(begins[word.first], end)
        lasts[number] = end = max(begins[word.last], firsts[number] + 1)
        features[number, 0] = logs[word.first : word.last].mean()
        features[number, 2] = np.log(word.last - word.first)
    if words:
        lengths = lasts - firsts
        longest = 2 * min(float(np.median(lengths)), LONG_WORD / FRAME_SECONDS)
        firsts = np.maximum(firsts, lasts - max(round(longest), 1))
    return Heard(tuple(word.text for word in words), firsts, lasts, features)
