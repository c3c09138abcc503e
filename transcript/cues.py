"""Subtitles: group words into readable cues that never overlap.

Dynamic programming over the positions of the cuts finds the cheapest sequence of cues: as few as possible,
cut at pauses and between phrases, each shown long enough to be read. The text capacity of a cue is a hard
limit. Its reading time is only a cost, because no word may be dropped.
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

# Costs, in units of one cue.
CUT_IN_SPEECH: Final = 1.0  # a cut without a pause; scaled down to 0 for a pause of CLEAR_PAUSE_MS
CUT_IN_PHRASE: Final = 0.6  # a cut before a word that belongs to the preceding one
CUT_AT_PHRASE: Final = -0.3  # a cut before a word that begins a phrase
MISSING_SECOND: Final = 4.0  # per second by which a cue is too short to be read
TWO_SPEAKERS: Final = 0.5  # two speakers share a cue
# Times the square of the fill: two half-full cues are easier to read than a full and a nearly empty one.
FULLNESS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a cue.

    Attributes:
        channel: channel of the words; None if channels were mixed.
        is_labelled: whether the line starts with the channel's label. The label counts towards the width.
    """

    text: str
    channel: int | None
    is_labelled: bool


@dataclass(frozen=True, slots=True)
class Cue:
    """Lines shown together from `start` to `end`, in milliseconds."""

    start: int
    end: int
    lines: tuple[Line, ...]


def label(channel: int) -> str:
    """Return the prefix of a channel's words."""
    return f"[{channel}] "


def cues_of(transcript: Transcript) -> list[Cue]:
    """Make the subtitles of a transcript, ordered by time.

    A cue has one or two lines of at most MAX_WIDTH. Only a single word may be wider, because words are not
    broken. Two channels that speak at the same time share a cue, with a line each; a third channel gets the
    next cue. A cue starts with its first word, stays until it can be read but at most MAX_MS, and ends at
    least GAP_MS before the next one. It starts later than its first word only if the preceding cue needs that
    time to be seen at all (SHORTEST_MS).
    """
    words, recording_end = words_in_order(transcript), milliseconds(transcript.seconds)
    groups = [words[first:last] for first, last in pairwise(_cuts(words, recording_end))]
    starts: list[int] = []
    earliest = 0
    for group in groups:
        starts.append(max(group[0].start, earliest))
        earliest = starts[-1] + SHORTEST_MS + GAP_MS
    # A cue ends with the recording, unless it could not be shown at all otherwise.
    next_starts = [*starts, max(recording_end + GAP_MS, earliest)][1:]
    return [
        Cue(start, _end(group, start, next_start), _lines(group))
        for group, start, next_start in zip(groups, starts, next_starts, strict=True)
    ]


def _end(group: Sequence[TimedText], start: int, next_start: int) -> int:
    """Return when to hide a cue that starts at `start`, if the next one starts at `next_start`."""
    latest = min(next_start - GAP_MS, start + MAX_MS)
    spoken_until = max(word.end for word in group)
    preferred = max(spoken_until, start + MIN_MS, start + _reading_ms(group))
    if next_start - preferred < SHORTEST_REST_MS:
        preferred = latest
    return min(preferred, latest)


def _reading_ms(group: Sequence[TimedText]) -> int:
    letters = sum(reading_length(word.text) + 1 for word in group) - 1
    return -(-letters * 1000 // READING_SPEED)


def _cuts(words: Sequence[TimedText], recording_end: int) -> list[int]:
    """Return the cuts of the cheapest sequence of cues, as ascending word indices from 0 to len(words)."""
    count = len(words)
    starts = [word.start for word in words] + [recording_end + GAP_MS]
    letters = list(accumulate((reading_length(word.text) + 1 for word in words), initial=0))
    cut_costs = [_cut_cost(before, after) for before, after in pairwise(words)] + [0.0]
    cheapest = [0.0] + [float("inf")] * count
    came_from = [0] * (count + 1)
    for first in range(count):
        cost_so_far = cheapest[first]
        for last, fullness, speakers in _cues_from(words, first):
            shown = min(starts[last] - GAP_MS - starts[first], MAX_MS)
            needed = max(MIN_MS, (letters[last] - letters[first] - 1) * 1000 / READING_SPEED)
            cost = cost_so_far + 1.0 + cut_costs[last - 1] + FULLNESS * fullness * fullness
            if needed > shown:
                cost += MISSING_SECOND * (needed - shown) / 1000
            if speakers > 1:
                cost += TWO_SPEAKERS
            if cost < cheapest[last]:
                cheapest[last], came_from[last] = cost, first
    cuts = [count]
    while cuts[-1] > 0:
        cuts.append(came_from[cuts[-1]])
    return cuts[::-1]


def _cues_from(words: Sequence[TimedText], first: int) -> Iterator[tuple[int, float, int]]:
    """Yield each possible cue that begins with word `first`.

    As (index after its last word, fill from 0 to 1, number of speakers).
    """
    begin, spoken_until = words[first].start, words[first].end
    widths: dict[int | None, int] = {}  # by channel, with all its words on one line
    total = line = 0
    lines = 1
    for last in range(first, len(words)):
        word = words[last]
        if last > first and (word.start - spoken_until >= LONGEST_PAUSE_MS or word.end - begin > MAX_MS):
            return
        spoken_until = max(spoken_until, word.end)
        size = width(word.text)
        if word.channel in widths:
            widths[word.channel] += 1 + size
        else:
            widths[word.channel] = _label_width(word.channel) + size
        if len(widths) > 1:  # each channel gets a line
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


def _cut_cost(before: TimedText, after: TimedText) -> float:
    """Return the cost of ending a cue or a line between two words."""
    if before.channel != after.channel:
        return 0.0
    if before.text.endswith(SENTENCE_ENDS):
        return CUT_AT_PHRASE
    pause = min(max(after.start - before.end, 0), CLEAR_PAUSE_MS)
    cost = CUT_IN_SPEECH * (1 - pause / CLEAR_PAUSE_MS)
    if after.text in CLINGING:
        cost += CUT_IN_PHRASE
    elif after.text in OPENING:
        cost += CUT_AT_PHRASE
    return cost


def _lines(group: Sequence[TimedText]) -> tuple[Line, ...]:
    """Return the lines of a cue: one per speaker, or one or two for a single speaker."""
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
    """Return the index of the second line's first word; None if one line is enough.

    The break balances the widths of the lines and prefers pauses and phrase boundaries.
    """
    ends = list(accumulate((width(word.text) + 1 for word in group), initial=label_width - 1))
    whole = ends[-1]
    if whole <= MAX_WIDTH or len(group) == 1:
        return None
    best, least_cost = None, float("inf")
    for cut in range(1, len(group)):
        upper, lower = ends[cut], whole - ends[cut] - 1
        too_wide = (upper > MAX_WIDTH and cut > 1) + (lower > MAX_WIDTH and cut < len(group) - 1)
        cost = abs(upper - lower) / MAX_WIDTH + _cut_cost(group[cut - 1], group[cut]) + 10 * too_wide
        if cost < least_cost:
            best, least_cost = cut, cost
    return best


def _label_width(channel: int | None) -> int:
    return 0 if channel is None else width(label(channel))
