"""The transcript of a recording: the value that every format is rendered from."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

from shrutlekh_contract.audio_warnings import AudioWarning
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
        model: name of the model that transcribed it.
        model_version: its version; None if unknown.
        speech_seconds: seconds classified as speech, summed over the transcribed channels; None if unknown.
        warnings: what is imperfect about the recording.
    """

    segments: tuple[Segment, ...]
    language: str
    seconds: float
    model: str
    speech_seconds: float | None = None
    warnings: tuple[AudioWarning, ...] = ()
    model_version: str | None = None

    @classmethod
    def of(
        cls,
        segments: Iterable[Segment],
        *,
        language: str,
        seconds: float,
        model: str,
        speech_seconds: float | None = None,
        warnings: Iterable[AudioWarning] = (),
        model_version: str | None = None,
    ) -> Self:
        """Make a transcript of segments in any order."""
        ordered = sorted(segments, key=lambda segment: (segment.start, segment.channel or 0))
        return cls(tuple(ordered), language, seconds, model, speech_seconds, tuple(warnings), model_version)

    @property
    def no_speech(self) -> bool:
        """Whether the transcript has no words."""
        return not any(segment.text for segment in self.segments)

    @property
    def text(self) -> str:
        """The whole text in one line."""
        return " ".join(segment.text for segment in self.segments if segment.text)

    def with_numerals(self, numerals: Numerals) -> Self:
        """Return the transcript with its numbers in `numerals`. `Word.spoken` keeps the spoken words."""
        if numerals is Numerals.SPOKEN:
            return self
        return replace(self, segments=tuple(with_numerals(segment, numerals) for segment in self.segments))

    def document(self) -> dict[str, Any]:
        """Return the `json` format as plain values: metadata, then `text` and `segments`.

        Times are rounded to milliseconds, confidences and log-probabilities to four decimals.
        """
        return {
            "model": self.model,
            "model_version": self.model_version,
            "language": self.language,
            "seconds": self.seconds,
            "speech_seconds": self.speech_seconds,
            "no_speech": self.no_speech,
            "warnings": [warning.json() for warning in self.warnings],
            "text": self.text,
            "segments": [segment_document(segment) for segment in self.segments],
        }


def with_numerals(segment: Segment, numerals: Numerals) -> Segment:
    """Return the segment with its numbers in `numerals`. `Word.spoken` keeps the spoken words."""
    return segment if numerals is Numerals.SPOKEN else write_numbers(segment, Digits(numerals.value))


def words_of(documents: Iterable[dict[str, Any]]) -> tuple[Word, ...]:
    """Parse words from `{text, start, end, confidence}`, optionally with `spoken`.

    Raises:
        KeyError: a member is missing.
    """
    return tuple(
        Word(word["text"], word["start"], word["end"], word["confidence"], word.get("spoken"))
        for word in documents
    )


def segment_document(segment: Segment) -> dict[str, Any]:
    """Return a segment of the `json` format as plain values."""
    return {
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "channel": segment.channel,
        "text": segment.text,
        "confidence": None if segment.confidence is None else round(segment.confidence, 4),
        "avg_logprob": None if segment.avg_logprob is None else round(segment.avg_logprob, 4),
        "words": [_word_document(word) for word in segment.words],
    }


def _word_document(word: Word) -> dict[str, Any]:
    document: dict[str, Any] = {
        "text": word.text,
        "start": round(word.start, 3),
        "end": round(word.end, 3),
        "confidence": None if word.confidence is None else round(word.confidence, 4),
    }
    if word.spoken is not None:
        document["spoken"] = word.spoken
    return document
