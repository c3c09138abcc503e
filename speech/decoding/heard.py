"""The words of a decoder's best path or of a model, before they get times and confidences."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from speech.decoding.confidence import FEATURES, Floats

Integers = npt.NDArray[np.intp]

SOUND = FEATURES.index("sound")
LENGTH = FEATURES.index("length")


@dataclass(frozen=True, slots=True)
class Heard:
    """The words of a path.

    Attributes:
        texts: of shape (words,).
        firsts, lasts: the frame of each word's first token, and the one after its last token; (words,).
        features: of `speech.decoding.confidence.FEATURES`, shape (words, features); those that a
            path does not tell are 0.
    """

    texts: tuple[str, ...]
    firsts: Integers
    lasts: Integers
    features: Floats

    def only(self, kept: npt.NDArray[np.bool_]) -> "Heard":
        """Return the words marked in `kept`, shape (words,)."""
        if kept.all():
            return self
        texts = tuple(text for text, stays in zip(self.texts, kept, strict=True) if stays)
        return Heard(texts, self.firsts[kept], self.lasts[kept], self.features[kept])

    def followed_by(self, other: "Heard") -> "Heard":
        """Return these words and, behind them, those of `other`."""
        return Heard(
            (*self.texts, *other.texts),
            np.concatenate((self.firsts, other.firsts)),
            np.concatenate((self.lasts, other.lasts)),
            np.concatenate((self.features, other.features)),
        )

    @property
    def tokens(self) -> npt.NDArray[np.float64]:
        """Tokens of each word, shape (words,)."""
        counts: npt.NDArray[np.float64] = np.exp(self.features[:, LENGTH]).round()
        return counts

    @property
    def avg_logprob(self) -> float | None:
        """Mean natural logarithm of the probabilities of all tokens of the words; None without words.

        A token's probability is the highest one in its run of frames, as the acoustic model gives it: the
        language model has no part in it. Blanks and spaces do not count.
        """
        return float(np.average(self.features[:, SOUND], weights=self.tokens)) if self.texts else None


NOTHING = Heard((), np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros((0, len(FEATURES))))
