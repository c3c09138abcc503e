"""Words in the order in which they were said, with times in whole milliseconds that never run backwards."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import pairwise

from transcript.characters import one_line
from transcript.transcript import Transcript
from transcript.words import Segment

LONGEST_MS = 2**53  # what a float still counts by ones


@dataclass(frozen=True, slots=True)
class TimedText:
    """A word as subtitles show it.

    Attributes:
        start, end: milliseconds; end is not before start. On one channel no start is before the last one's.
        channel: from 1, or None where channels were mixed.
    """

    text: str
    start: int
    end: int
    channel: int | None


def words_in_order(transcript: Transcript) -> list[TimedText]:
    """All words that show something, by start; those of one channel in the order of the transcript.

    Times outside the recording are moved to its edge, and those that run backwards to the time before.
    """
    end = milliseconds(transcript.seconds)
    channels: dict[int | None, list[Segment]] = {}
    for segment in transcript.segments:
        channels.setdefault(segment.channel, []).append(segment)
    return list(
        merge(*(_of_channel(segments, end) for segments in channels.values()), key=lambda word: word.start)
    )


def milliseconds(seconds: float) -> int:
    """Seconds as milliseconds, rounded; what is no time is 0."""
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
    """Text and times of the words; spread evenly over a segment that has none."""
    if segment.words:
        for word in segment.words:
            yield word.text, word.start, word.end
        return
    texts = segment.text.split()
    step = (segment.end - segment.start) / max(len(texts), 1)
    edges = [segment.start + step * index for index in range(len(texts))] + [segment.end]
    for text, (start, end) in zip(texts, pairwise(edges), strict=False):
        yield text, start, end
