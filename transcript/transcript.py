"""All that was said in a recording, as one value that every format is made from."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

from shrutlekh_contract.options import Numerals as Numerals

from transcript.numbers import Digits, write_numbers
from transcript.words import Segment, Word


@dataclass(frozen=True, slots=True)
class Transcript:
    """The words of a recording.

    Attributes:
        segments: by start, then channel.
        language: BCP 47.
        seconds: length of the recording.
        model: name of the model that heard it.
        speech_seconds: seconds taken for speech, over all channels that were heard; None where unknown.
    """

    segments: tuple[Segment, ...]
    language: str
    seconds: float
    model: str
    speech_seconds: float | None = None

    @classmethod
    def of(
        cls,
        segments: Iterable[Segment],
        *,
        language: str,
        seconds: float,
        model: str,
        speech_seconds: float | None = None,
    ) -> Self:
        """The transcript of segments in any order."""
        ordered = sorted(segments, key=lambda segment: (segment.start, segment.channel or 0))
        return cls(tuple(ordered), language, seconds, model, speech_seconds)

    @property
    def no_speech(self) -> bool:
        """True if nothing that was said was understood: there are no words."""
        return not any(segment.text for segment in self.segments)

    @property
    def text(self) -> str:
        """All of it in one line."""
        return " ".join(segment.text for segment in self.segments if segment.text)

    def with_numerals(self, numerals: Numerals) -> Self:
        """The transcript with its numbers written as `numerals` says; `Word.spoken` keeps what was said."""
        if numerals is Numerals.SPOKEN:
            return self
        return replace(self, segments=tuple(with_numerals(segment, numerals) for segment in self.segments))

    def document(self) -> dict[str, Any]:
        """The `json` format as plain values: what is said of the whole, then `text` and `segments`.

        Times are rounded to milliseconds, confidences to four digits.
        """
        return {
            "model": self.model,
            "language": self.language,
            "seconds": self.seconds,
            "speech_seconds": self.speech_seconds,
            "no_speech": self.no_speech,
            "text": self.text,
            "segments": [_segment_document(segment) for segment in self.segments],
        }


def with_numerals(segment: Segment, numerals: Numerals) -> Segment:
    """The segment with its numbers written as `numerals` says; `Word.spoken` keeps what was said."""
    return segment if numerals is Numerals.SPOKEN else write_numbers(segment, Digits(numerals.value))


def words_of(documents: Iterable[dict[str, Any]]) -> tuple[Word, ...]:
    """The words of a list of `{text, start, end, confidence}`. Raises KeyError where one is none."""
    return tuple(
        Word(word["text"], word["start"], word["end"], word["confidence"], word.get("spoken"))
        for word in documents
    )


def _segment_document(segment: Segment) -> dict[str, Any]:
    return {
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "channel": segment.channel,
        "text": segment.text,
        "confidence": None if segment.confidence is None else round(segment.confidence, 4),
        "words": [_word_document(word) for word in segment.words],
    }


def _word_document(word: Word) -> dict[str, Any]:
    document: dict[str, Any] = {
        "text": word.text,
        "start": round(word.start, 3),
        "end": round(word.end, 3),
        "confidence": round(word.confidence, 4),
    }
    if word.spoken is not None:
        document["spoken"] = word.spoken
    return document
