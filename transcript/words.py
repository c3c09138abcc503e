"""The result types. Times are seconds from the start of the recording, confidences lie in 0..1."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """A word as it is written; `spoken` is how it was said where that differs, as for a number in digits."""

    text: str
    start: float
    end: float
    confidence: float
    spoken: str | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """Words spoken without a long pause.

    start is that of the first word and end that of the last, so that silence belongs to no segment; text is
    the words joined by a space; confidence is the mean of the words' confidences, or None for a decoder
    that has none; channel counts from 1 where the channels of a recording were heard one by one.
    """

    start: float
    end: float
    text: str
    confidence: float | None
    words: tuple[Word, ...]
    channel: int | None = None

    @classmethod
    def from_words(cls, words: tuple[Word, ...], channel: int | None = None) -> "Segment":
        """The segment of one or more words in order."""
        return cls(
            start=words[0].start,
            end=words[-1].end,
            text=" ".join(word.text for word in words),
            confidence=sum(word.confidence for word in words) / len(words),
            words=words,
            channel=channel,
        )

    @property
    def spoken(self) -> str:
        """The words as they were said."""
        return " ".join(word.text if word.spoken is None else word.spoken for word in self.words)
