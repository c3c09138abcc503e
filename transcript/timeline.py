"""Words in spoken order, with times in whole milliseconds that never decrease within a channel."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import pairwise

from transcript.characters import one_line
from transcript.transcript import Transcript
from transcript.words import Segment

LONGEST_MS = 2**53  # up to here a float represents every integer


@dataclass(frozen=True, slots=True)
class TimedText:
    """A word of a subtitle.

    Attributes:
        start, end: milliseconds, with start <= end. Within a channel, starts never decrease.
        channel: counted from 1; None if channels were mixed.
    """

    text: str
    start: int
    end: int
    channel: int | None


def words_in_order(transcript: Transcript) -> list[TimedText]:
    """Return all non-empty words by start time. Words of one channel keep the order of the transcript.

    Times outside the recording are clamped to it, and a start before the preceding word's is raised to it.
    """
    end = milliseconds(transcript.seconds)
    channels: dict[int | None, list[Segment]] = {}
    for segment in transcript.segments:
        channels.setdefault(segment.channel, []).append(segment)
    return list(
        merge(*(_of_channel(segments, end) for segments in channels.values()), key=lambda word: word.start)
    )


def milliseconds(seconds: float) -> int:
    """Convert seconds to whole milliseconds. Negative and non-finite values give 0."""
    if not math.isfinite(seconds) or seconds <= 0:
        return 0
    return min(round(seconds * 1000), LONGEST_MS)


def _of_channel(segments: Iterable[Segment], recording_end: int) -> Iterator[TimedText]:
    latest = 0
    for segment in segments:
        for text, start, end in _words(segment):
            latest = max(latest, min(milliseconds(start), recording_end))
            shown = one_line(text)
            if shown:
                last = max(latest, min(milliseconds(end), recording_end))
                yield TimedText(shown, latest, last, segment.channel)


def _words(segment: Segment) -> Iterator[tuple[str, float, float]]:
    """Yield text, start and end of each word. A segment without word times spreads its words evenly."""
    if segment.words:
        for word in segment.words:
            yield word.text, word.start, word.end
        return
    texts = segment.text.split()
    step = (segment.end - segment.start) / max(len(texts), 1)
    edges = [segment.start + step * index for index in range(len(texts))] + [segment.end]
    for text, (start, end) in zip(texts, pairwise(edges), strict=False):
        yield text, start, end
