"""The way of one recording: audio, chunks, batches, emissions (`speech.utterances`), words."""

from collections.abc import Generator, Iterator
from types import TracebackType
from typing import Any, Self

from speech.decoding import Decoder
from speech.events import Event, Progress, Summary
from speech.stage_times import StageTimes
from speech.utterance_stream import Utterance
from speech.utterances import UtteranceReader
from transcript.words import Segment


class Transcription:
    """Yields the events of one recording, once: segments, progress, and a summary at the end.

    The work is done while it is iterated. Segments come in order of their chunks, which for each channel is
    the order of time. `Progress` comes after each block of audio, also where nothing is said, and after each
    batch. The recording is freed at the end, when the iteration is dropped, or by `close`.
    """

    def __init__(self, utterances: UtteranceReader, decoder: Decoder[Any]) -> None:
        self._utterances = utterances
        self._text_times = StageTimes("text")
        self._events = _events(utterances, decoder, self._text_times)

    def __iter__(self) -> Iterator[Event]:
        return self._events

    def segments(self) -> Iterator[Segment]:
        """Iterate over the segments alone."""
        return (event for event in self._events if isinstance(event, Segment))

    @property
    def progress(self) -> Progress:
        """How far the iteration is."""
        return self._utterances.progress

    @property
    def summary(self) -> Summary:
        """What is known so far; after the end, of the whole recording."""
        return _summary(self._utterances, self._text_times)

    def close(self) -> None:
        """Free the recording. The iteration ends here, wherever it is. May be called twice."""
        self._events.close()
        self._utterances.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _events(
    utterances: UtteranceReader, decoder: Decoder[Any], times: StageTimes
) -> Generator[Event, None, None]:
    # No method, so that no reference cycle keeps the file open when the iteration is dropped.
    with utterances:
        for event in utterances:
            if isinstance(event, Progress):
                yield event
                continue
            with times.timed("text"):
                segment = segment_of(event, decoder)
            if segment is not None:
                yield segment
    yield _summary(utterances, times)


def segment_of(utterance: Utterance, decoder: Decoder[Any]) -> Segment | None:
    """Decode an utterance; None if nothing plausible was said."""
    heard = decoder.hear(utterance.emission)
    written = decoder.plausibility.written(heard, utterance.end - utterance.start)
    words = decoder.timed(written, utterance.start, utterance.end)
    return Segment.from_words(words, utterance.channel, written.avg_logprob) if words else None


def _summary(utterances: UtteranceReader, times: StageTimes) -> Summary:
    return Summary(
        utterances.seconds,
        utterances.source_rate,
        utterances.channels,
        utterances.speech_seconds,
        utterances.times.seconds | times.seconds,
        utterances.fills,
        utterances.peaks,
        utterances.warnings,
    )
