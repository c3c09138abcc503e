"""One live session in a worker: audio in, events out."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from shrutlekh_contract.options import Numerals

from shared.live import BEAT, DONE, PARTIAL, SAMPLE_BYTES, SEGMENT
from speech import LiveTranscription, samples_of
from transcript.transcript import Transcript, segment_document, with_numerals
from transcript.words import Segment, Word

Event = Mapping[str, Any]

PARTIAL_SECONDS = 0.4
"""Least new audio between two partial texts. Lower shows words sooner and costs a run of the graph each."""


class Session:
    """Turns the audio of a session into events. Knows neither Redis nor other sessions.

    Attributes:
        name: its id.
        heard_at: when audio last came; of the monotonic clock.
        sent_at: when `sent` was last called.
    """

    def __init__(
        self, name: str, live: LiveTranscription, numerals: Numerals, language: str, model: str
    ) -> None:
        """``live`` is a fresh transcription; ``language`` and ``model`` are the model's."""
        self.name = name
        self.heard_at = self.sent_at = time.monotonic()
        self._live = live
        self._numerals = numerals
        self._language, self._model = language, model
        self._segments: list[Segment] = []
        self._rest = b""
        """The first byte of a sample whose second one has not come."""
        self._previewed = 0.0
        """Seconds of audio when the last preview was made."""
        self._waits_since: float | None = None
        """When the oldest audio came that no preview covers."""
        self._shown: tuple[str, int] = ("", 0)

    @property
    def seconds(self) -> float:
        """Seconds of audio heard."""
        return self._live.seconds

    @property
    def is_due(self) -> bool:
        """Whether there is enough new audio for a partial text."""
        return self._live.seconds - self._previewed >= PARTIAL_SECONDS

    @property
    def waits_since(self) -> float:
        """When the oldest audio came that no partial text covers; of the monotonic clock."""
        return time.monotonic() if self._waits_since is None else self._waits_since

    def hear(self, pcm: bytes) -> list[Event]:
        """Process samples. The events are the segments that became final, then the partial text left."""
        self.heard_at = time.monotonic()
        if self._waits_since is None:
            self._waits_since = self.heard_at
        pcm = self._rest + pcm
        whole = len(pcm) - len(pcm) % SAMPLE_BYTES
        self._rest = pcm[whole:]
        return self._finals(list(self._live.push(samples_of(pcm[:whole]))))

    def partial(self) -> list[Event]:
        """Decode the audio that is not final yet; the event is a partial text, if it has changed."""
        self._previewed, self._waits_since = self._live.seconds, None
        self._live.preview()
        return self._partial()

    def rest(self) -> list[Event]:
        """End the audio; the events are the remaining segments."""
        return [self._segment(segment) for segment in self._live.finish()]

    def finish(self) -> list[Event]:
        """End the audio; the events are the remaining segments and `DONE`."""
        events = self.rest()
        transcript = Transcript.of(
            self._segments,
            language=self._language,
            seconds=self._live.seconds,
            model=self._model,
            speech_seconds=self._live.speech_seconds,
        )
        done = {
            "type": DONE,
            "text": transcript.text,
            "seconds": round(transcript.seconds, 3),
            "speech_seconds": round(self._live.speech_seconds, 3),
            "no_speech": transcript.no_speech,
        }
        return [*events, done]

    def beat(self) -> Event:
        """Return the event that tells that the session lives."""
        return {"type": BEAT, "heard": round(self._live.seconds, 3)}

    def _finals(self, segments: Sequence[Segment]) -> list[Event]:
        events = [self._segment(segment) for segment in segments]
        return [*events, *self._partial()] if events else []

    def _segment(self, segment: Segment) -> Event:
        written = with_numerals(segment, self._numerals)
        self._segments.append(written)
        self._shown = ("", 0)  # clients clear the partial text
        return {"type": SEGMENT, **segment_document(written), "heard": round(self._live.seconds, 3)}

    def _partial(self) -> list[Event]:
        preview = self._live.current_preview
        text = self._written(preview.words)
        stable = _common(text, self._written(preview.words[: preview.stable]))
        if (text, stable) == self._shown:
            return []
        self._shown = (text, stable)
        return [
            {
                "type": PARTIAL,
                "start": round(self._live.final_seconds, 3),
                "end": round(self._live.seconds, 3),
                "text": text,
                "stable": stable,
                "heard": round(self._live.seconds, 3),
            }
        ]

    def _written(self, words: tuple[Word, ...]) -> str:
        return with_numerals(Segment.from_words(words), self._numerals).text if words else ""


def _common(text: str, other: str) -> int:
    """Count the characters at the beginning that are the same in both texts."""
    return next(
        (at for at, pair in enumerate(zip(text, other, strict=False)) if pair[0] != pair[1]),
        min(len(text), len(other)),
    )
