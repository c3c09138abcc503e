"""Subtitles: words grouped into cues that can be read and never overlap.

The cues of a transcript are the cheapest way to cut its words in order, by dynamic programming over the place
of each cut: as few cues as there may be, cut at pauses and between phrases, each long enough to be read. What
a cue holds is a hard limit; time is what there is, for no word is left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

from transcript.characters import reading_length, width
from transcript.subtitle_rules import (
    CLEAR_PAUSE_MS,
    CLINGING,
    GAP_MS,
    LONGEST_PAUSE_MS,
    MAX_LINES,
    MAX_MS,
    MAX_WIDTH,
    MIN_MS,
    OPENING,
    READING_SPEED,
    SENTENCE_ENDS,
    SHORTEST_MS,
    SHORTEST_REST_MS,
)
from transcript.timeline import TimedText, milliseconds, words_in_order
from transcript.transcript import Transcript

# Prices, in cues.
CUT_IN_SPEECH: Final = 1.0  # where there is no pause; less for a shorter one
CUT_IN_PHRASE: Final = 0.6  # before a word that leans on the one before
CUT_AT_PHRASE: Final = -0.3  # before a word that begins something
MISSING_SECOND: Final = 4.0  # of the time that a cue needs
TWO_SPEAKERS: Final = 0.5  # in one cue, where each could have their own
FULLNESS: Final = (
    0.5  # of a cue that is full, by its square: two alike are read easier than one full, one empty
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a cue.

    Attributes:
        channel: whose words these are; None where channels were mixed.
        is_labelled: whether the line says so. Width is kept for it.
    """

    text: str
    channel: int | None
    is_labelled: bool


@dataclass(frozen=True, slots=True)
class Cue:
    """Lines that are shown together, from `start` to `end` in milliseconds."""

    start: int
    end: int
    lines: tuple[Line, ...]


def label(channel: int) -> str:
    """What stands before the words of a channel."""
    return f"[{channel}] "


def cues_of(transcript: Transcript) -> list[Cue]:
    """The subtitles of a transcript, by time.

    Each has one or two lines of at most MAX_WIDTH, unless a word alone is wider: words are not broken. Lines
    of two channels share a cue where people speak at the same time; a third one waits for the next.
    A cue is shown from its first word on until it can be read, at most MAX_MS, and ends at least GAP_MS
    before the next one begins. Only where words leave no time at all does one begin later than its words.
    """
    words, recording_end = words_in_order(transcript), milliseconds(transcript.seconds)
    groups = [words[first:last] for first, last in pairwise(_cuts(words, recording_end))]
    starts: list[int] = []
    earliest = 0
    for group in groups:
        starts.append(max(group[0].start, earliest))
        earliest = starts[-1] + SHORTEST_MS + GAP_MS
    # Past the end of the recording nothing is shown, but for what has no other time.
    next_starts = [*starts, max(recording_end + GAP_MS, earliest)][1:]
    return [
        Cue(start, _end(group, start, next_start), _lines(group))
        for group, start, next_start in zip(groups, starts, next_starts, strict=True)
    ]


def _end(group: Sequence[TimedText], start: int, next_start: int) -> int:
    """When a cue that begins at `start` is taken away; the one after it begins at `next_start`."""
    latest = min(next_start - GAP_MS, start + MAX_MS)
    spoken_until = max(word.end for word in group)
    wanted = max(spoken_until, start + MIN_MS, start + _reading_ms(group))
    if next_start - wanted < SHORTEST_REST_MS:
        wanted = latest
    return min(wanted, latest)


def _reading_ms(group: Sequence[TimedText]) -> int:
    letters = sum(reading_length(word.text) + 1 for word in group) - 1
    return -(-letters * 1000 // READING_SPEED)


def _cuts(words: Sequence[TimedText], recording_end: int) -> list[int]:
    """Where the cheapest cues begin and end, as positions between words: 0, ..., len(words)."""
    count = len(words)
    starts = [word.start for word in words] + [recording_end + GAP_MS]
    letters = list(accumulate((reading_length(word.text) + 1 for word in words), initial=0))
    prices = [_cut_price(before, after) for before, after in pairwise(words)] + [0.0]
    cheapest = [0.0] + [float("inf")] * count
    came_from = [0] * (count + 1)
    for first in range(count):
        so_far = cheapest[first]
        for last, fullness, speakers in _reach(words, first):
            shown = min(starts[last] - GAP_MS - starts[first], MAX_MS)
            needed = max(MIN_MS, (letters[last] - letters[first] - 1) * 1000 / READING_SPEED)
            price = so_far + 1.0 + prices[last - 1] + FULLNESS * fullness * fullness
            if needed > shown:
                price += MISSING_SECOND * (needed - shown) / 1000
            if speakers > 1:
                price += TWO_SPEAKERS
            if price < cheapest[last]:
                cheapest[last], came_from[last] = price, first
    cuts = [count]
    while cuts[-1] > 0:
        cuts.append(came_from[cuts[-1]])
    return cuts[::-1]


def _reach(words: Sequence[TimedText], first: int) -> Iterator[tuple[int, float, int]]:
    """All cues that can begin with word `first`: the word after their last, how full they are from 0 to 1,
    the number of speakers."""
    begin, spoken_until = words[first].start, words[first].end
    widths: dict[int | None, int] = {}  # of each channel's words on one line
    total = line = 0
    lines = 1
    for last in range(first, len(words)):
        word = words[last]
        if last > first and (word.start - spoken_until >= LONGEST_PAUSE_MS or word.end - begin > MAX_MS):
            return
        spoken_until = max(spoken_until, word.end)
        size = width(word.text)
        known = word.channel in widths
        widths[word.channel] = widths[word.channel] + 1 + size if known else _label_width(word.channel) + size
        if len(widths) > 1:
            # A line for each. A word that is too wide for it stands alone.
            if len(widths) > MAX_LINES or any(width > MAX_WIDTH for width in widths.values()):
                return
        elif last == first:
            line = widths[word.channel]
        elif line + 1 + size <= MAX_WIDTH:
            line += 1 + size
        elif lines < MAX_LINES:
            lines, line = lines + 1, size
        else:
            return
        total = sum(widths.values())
        yield last + 1, min(total / (MAX_LINES * MAX_WIDTH), 1.0), len(widths)


def _cut_price(before: TimedText, after: TimedText) -> float:
    """What it costs to end a cue, or a line, between two words."""
    if before.channel != after.channel:
        return 0.0
    if before.text.endswith(SENTENCE_ENDS):
        return CUT_AT_PHRASE
    pause = min(max(after.start - before.end, 0), CLEAR_PAUSE_MS)
    price = CUT_IN_SPEECH * (1 - pause / CLEAR_PAUSE_MS)
    if after.text in CLINGING:
        price += CUT_IN_PHRASE
    elif after.text in OPENING:
        price += CUT_AT_PHRASE
    return price


def _lines(group: Sequence[TimedText]) -> tuple[Line, ...]:
    """The lines of a cue: one for each speaker, or one or two for a single one."""
    channels = list(dict.fromkeys(word.channel for word in group))
    if len(channels) > 1:
        return tuple(
            Line(" ".join(word.text for word in group if word.channel == channel), channel, is_labelled=True)
            for channel in channels
        )
    (channel,) = channels
    is_labelled = channel is not None
    cut = _best_break(group, _label_width(channel))
    parts = [group] if cut is None else [group[:cut], group[cut:]]
    return tuple(
        Line(" ".join(word.text for word in part), channel, is_labelled and part is parts[0])
        for part in parts
    )


def _best_break(group: Sequence[TimedText], label_width: int) -> int | None:
    """Before which word the second line begins, if there are two: lines alike, broken where speech would."""
    ends = list(accumulate((width(word.text) + 1 for word in group), initial=label_width - 1))
    whole = ends[-1]
    if whole <= MAX_WIDTH or len(group) == 1:
        return None
    best, least = None, float("inf")
    for cut in range(1, len(group)):
        upper, lower = ends[cut], whole - ends[cut] - 1
        too_wide = (upper > MAX_WIDTH and cut > 1) + (lower > MAX_WIDTH and cut < len(group) - 1)
        price = abs(upper - lower) / MAX_WIDTH + _cut_price(group[cut - 1], group[cut]) + 10 * too_wide
        if price < least:
            best, least = cut, price
    return best


def _label_width(channel: int | None) -> int:
    return 0 if channel is None else width(label(channel))
