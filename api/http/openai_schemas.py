"""Models of the JSON in OpenAI's shape. Members that the service has no value for are neutral constants."""

import zlib
from collections.abc import Iterable
from typing import Any, Final, Literal, Self

from pydantic import Field

from api.http import examples
from api.http.schemas import Shape, with_example
from transcript.transcript import Transcript
from transcript.words import Segment

OPENAI_ERROR: Final[dict[str, Any]] = {
    "title": "OpenAIError",
    "description": "An error in the shape of OpenAI's API.",
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string", "description": "For people: what happened and what to do."},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"], "description": "The invalid field."},
                "code": {"type": "string", "description": "Stable; programs may rely on it."},
            },
        }
    },
}


class UsageOut(Shape):
    """What the request took: seconds of audio."""

    type: Literal["duration"] = "duration"
    seconds: float


class TranscriptionOut(Shape):
    """The answer of `response_format=json`."""

    model_config = with_example(examples.TRANSCRIPTION)

    text: str
    usage: UsageOut

    @classmethod
    def of(cls, transcript: Transcript) -> Self:
        """Make the model of a transcript."""
        return cls(text=transcript.text, usage=UsageOut(seconds=transcript.seconds))


class SpokenWordOut(Shape):
    """A word with its time in seconds from the start of the recording."""

    word: str
    start: float
    end: float


class SpokenSegmentOut(Shape):
    """A segment in the shape of Whisper's."""

    id: int = Field(description="Counted from 0.")
    seek: int = Field(0, description="Always 0: the service has no windows to seek in.")
    start: float
    end: float
    text: str
    tokens: list[int] = Field([], description="Always empty: the tokens are not Whisper's.")
    temperature: float = Field(0.0, description="Always 0: decoding is deterministic.")
    avg_logprob: float = Field(description="Mean log-probability of the tokens; 0 if unknown.")
    compression_ratio: float = Field(description="Bytes of the text by bytes of its zlib compression.")
    no_speech_prob: float = Field(0.0, description="Always 0: the voice detector heard speech.")
    channel: int | None = Field(None, description="Counted from 1, with `channels=each`; else absent.")

    @classmethod
    def of(cls, number: int, segment: Segment) -> Self:
        """Make the model of a segment."""
        text = segment.text.encode()
        return cls(
            id=number,
            start=segment.start,
            end=segment.end,
            text=segment.text,
            avg_logprob=segment.avg_logprob or 0.0,
            compression_ratio=round(len(text) / len(zlib.compress(text)), 4),
            channel=segment.channel,
        )


class VerboseTranscriptionOut(Shape):
    """The answer of `response_format=verbose_json`."""

    model_config = with_example(examples.VERBOSE_TRANSCRIPTION)

    task: Literal["transcribe"] = "transcribe"
    language: str = Field(description="In English, such as `hindi`.")
    duration: float = Field(description="Seconds of the recording.")
    text: str
    segments: list[SpokenSegmentOut] | None = Field(None, description="Absent if only words were asked for.")
    words: list[SpokenWordOut] | None = Field(None, description="Absent unless words were asked for.")
    usage: UsageOut

    @classmethod
    def of(cls, transcript: Transcript, language: str, *, segments: bool, words: bool) -> Self:
        """Make the model of a transcript with the parts that were asked for."""
        return cls(
            language=language,
            duration=transcript.seconds,
            text=transcript.text,
            segments=_segments(transcript) if segments else None,
            words=list(_words(transcript)) if words else None,
            usage=UsageOut(seconds=transcript.seconds),
        )


class TextDelta(Shape):
    """The event that adds text to a stream."""

    type: Literal["transcript.text.delta"] = "transcript.text.delta"
    delta: str


class TextDone(Shape):
    """The last event of a stream."""

    type: Literal["transcript.text.done"] = "transcript.text.done"
    text: str
    usage: UsageOut


class OpenAIModelOut(Shape):
    """A model in OpenAI's shape."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="When the model was installed, in seconds since 1970.")
    owned_by: str = "shrutlekh"


def _segments(transcript: Transcript) -> list[SpokenSegmentOut]:
    spoken = (segment for segment in transcript.segments if segment.text)
    return [SpokenSegmentOut.of(number, segment) for number, segment in enumerate(spoken)]


def _words(transcript: Transcript) -> Iterable[SpokenWordOut]:
    for segment in transcript.segments:
        for word in segment.words:
            yield SpokenWordOut(word=word.text, start=word.start, end=word.end)
