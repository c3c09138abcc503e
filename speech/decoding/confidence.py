"""How likely a word is right: what a decoder knows of it, and what that has been worth on a dev set.

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
"""What is known of a word:

- sound: mean natural logarithm of its tokens' probabilities;
- rivals: by how much its path is less likely than the likeliest path there, a token (natural logarithm, 0 at
  most). What lies between two words counts for both;
- length: natural logarithm of its tokens' number;
- language: base-10 logarithm of the language model's probability; 0 without one;
- agreement: natural logarithm of the share of the hypotheses that have it there too, each weighed by its
  probability; 0 without others.
"""

LEAST_AGREEMENT: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic function of the features: weights of shape (features,) in the order of `FEATURES`."""

    bias: float
    weights: tuple[float, ...]

    @classmethod
    def of_model(cls, decoding: Mapping[str, Any], decoder: str) -> Self | None:
        """What model.json says under `decoding.confidence` of a decoder; None when it says nothing.

        Raises:
            ModelInvalid: a value is no finite number.
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
        """As `of_model` reads it."""
        values = zip(("bias", *FEATURES), (self.bias, *self.weights), strict=True)
        return {name: round(value, 4) for name, value in values}

    def confidences(self, features: Floats) -> Floats:
        """Probability that each word is right, shape (words,), from features of shape (words, features)."""
        scores = self.bias + features @ np.array(self.weights)
        found: Floats = 1.0 / (1.0 + np.exp(-np.clip(scores, -50.0, 50.0)))
        return found


def plain_confidences(features: Floats) -> Floats:
    """Without a calibration: the geometric mean of the tokens' probabilities, shape (words,)."""
    return np.exp(np.minimum(features[:, FEATURES.index("sound")], 0.0))
