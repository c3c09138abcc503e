"""Word confidences: the probability that a word is correct, from features calibrated on a dev set.

Sources: H. Jiang, "Confidence measures for speech recognition: A survey" (Speech Communication 2005), for the
predictors; J. Platt, "Probabilistic Outputs for Support Vector Machines" (1999), for the logistic map.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from speech.errors import ModelInvalid

Floats = npt.NDArray[np.float64]

FEATURES: Final = ("sound", "rivals", "length", "language", "agreement")
"""Features of a word:

- sound: mean natural log of its tokens' probabilities;
- rivals: natural log-probability of its path relative to the most probable path there, per token; at most 0.
  The frames between two words count for both;
- length: natural log of its number of tokens;
- language: base-10 log of the language model's probability; 0 without a language model;
- agreement: natural log of the probability mass of the hypotheses that have the word in the same place; 0 if
  there is only one hypothesis.
"""

LEAST_AGREEMENT: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic function of the features. `weights` are in the order of `FEATURES`."""

    bias: float
    weights: tuple[float, ...]

    @classmethod
    def of_model(cls, decoding: Mapping[str, Any], decoder: str) -> Self | None:
        """Read a decoder's calibration from `decoding.confidence` in model.json. None if it is missing.

        Raises:
            ModelInvalid: a value is not a finite number.
        """
        try:
            entry = decoding.get("confidence", {}).get(decoder)
            if entry is None:
                return None
            values = [float(entry.get(name, 0.0)) for name in ("bias", *FEATURES)]
        except (AttributeError, TypeError, ValueError) as error:
            raise ModelInvalid(f"'decoding.confidence' in model.json: {error}.") from error
        if not all(map(math.isfinite, values)):
            raise ModelInvalid("'decoding.confidence' in model.json: numbers must be finite.")
        return cls(values[0], tuple(values[1:]))

    def entry(self) -> dict[str, float]:
        """Return the entry that `of_model` reads."""
        values = zip(("bias", *FEATURES), (self.bias, *self.weights), strict=True)
        return {name: round(value, 4) for name, value in values}

    def confidences(self, features: Floats) -> Floats:
        """Map features of shape (words, features) to the probability that each word is correct, (words,)."""
        scores = self.bias + features @ np.array(self.weights)
        found: Floats = 1.0 / (1.0 + np.exp(-np.clip(scores, -50.0, 50.0)))
        return found


def plain_confidences(features: Floats) -> Floats:
    """Return uncalibrated confidences: the geometric mean of the tokens' probabilities, shape (words,)."""
    return np.exp(np.minimum(features[:, FEATURES.index("sound")], 0.0))
