"""Words and segments. Times are seconds from the start of the recording, confidences are in 0..1."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """A written word.

    Attributes:
        confidence: None if a person wrote it.
        spoken: the spoken words, if it was spoken differently, as a number in digits.
    """

    text: str
    start: float
    end: float
    confidence: float | None
    spoken: str | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """Words spoken without a long pause.

    Attributes:
        start: start of the first word, so that segments do not include silence.
        end: end of the last word.
        text: the words joined by spaces.
        confidence: mean of the words' confidences; None if the decoder gives none.
        channel: counted from 1 if channels were transcribed separately; None if they were mixed.
        avg_logprob: mean natural log-probability of the tokens by the acoustic model; None if unknown.
    """

    start: float
    end: float
    text: str
    confidence: float | None
    words: tuple[Word, ...]
    channel: int | None = None
    avg_logprob: float | None = None

    @classmethod
    def from_words(
        cls, words: tuple[Word, ...], channel: int | None = None, avg_logprob: float | None = None
    ) -> "Segment":
        """Make the segment of one or more words in order."""
        return cls(
            start=words[0].start,
            end=words[-1].end,
            text=" ".join(word.text for word in words),
            confidence=mean_confidence(words),
            words=words,
            channel=channel,
            avg_logprob=avg_logprob,
        )

    @property
    def spoken(self) -> str:
        """The text as spoken."""
        return " ".join(word.text if word.spoken is None else word.spoken for word in self.words)


def mean_confidence(words: Sequence[Word]) -> float | None:
    """Return the mean of the confidences that words have; None if none has any."""
    known = [word.confidence for word in words if word.confidence is not None]
    return sum(known) / len(known) if known else None
