"""Subtitles: hard limits, limits that hold if there is time, and the choice of breaks."""

from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings

from tests.transcript.transcripts import SENTENCE, conversations, said, talk, transcript_of, transcripts
from transcript.characters import one_line, reading_length, width
from transcript.cues import Cue, Line, cues_of, label
from transcript.subtitle_rules import (
    GAP_MS,
    LONGEST_PAUSE_MS,
    MAX_LINES,
    MAX_MS,
    MAX_WIDTH,
    MIN_MS,
    READING_SPEED,
    SHORTEST_MS,
    SHORTEST_REST_MS,
)
from transcript.timeline import milliseconds, words_in_order
from transcript.transcript import Transcript
from transcript.words import Segment


def shown(transcript: Transcript) -> list[str]:
    """The text of each cue, with a slash between lines."""
    return [" / ".join(line.text for line in cue.lines) for cue in cues_of(transcript)]


def width_of(line: Line) -> int:
    return width(line.text) + (width(label(line.channel)) if line.is_labelled and line.channel else 0)


def words_by_channel(transcript: Transcript) -> dict[int | None, list[str]]:
    """The text of the segments by channel."""
    said = defaultdict(list)
    for segment in transcript.segments:
        for text in [word.text for word in segment.words] or segment.text.split():
            said[segment.channel] += one_line(text).split()
    return {channel: words for channel, words in said.items() if words}


def check_limits(cues: list[Cue]) -> None:
    for cue in cues:
        assert 1 <= len(cue.lines) <= MAX_LINES
        assert SHORTEST_MS <= cue.end - cue.start <= MAX_MS
        for line in cue.lines:
            assert line.text == one_line(line.text) != ""
    for cue, after in pairwise(cues):
        assert cue.end + GAP_MS <= after.start


@settings(max_examples=300)
@given(transcripts())
def test_whatever_comes_no_word_is_lost_and_nothing_overlaps(transcript: Transcript) -> None:
    cues = cues_of(transcript)
    check_limits(cues)
    seen = defaultdict(list)
    for cue in cues:
        assert len({line.channel for line in cue.lines}) in {1, len(cue.lines)}
        for line in cue.lines:
            seen[line.channel] += line.text.split()
    assert seen == words_by_channel(transcript)
    widest = max((width(word.text) for word in words_in_order(transcript)), default=0)
    for cue in cues:
        for line in cue.lines:
            assert width_of(line) <= max(MAX_WIDTH, widest + width(label(line.channel or 1)))


@settings(max_examples=200)
@given(conversations())
def test_real_talk_is_shown_as_the_guidelines_ask(transcript: Transcript) -> None:
    cues = cues_of(transcript)
    check_limits(cues)
    words = words_in_order(transcript)
    assert sum(len(line.text.split()) for cue in cues for line in cue.lines) == len(words)
    starts = [word.start for word in words]
    recording_end = milliseconds(transcript.seconds)
    for cue, after in zip(cues, [*cues[1:], None][: len(cues)], strict=True):
        for line in cue.lines:
            assert width_of(line) <= MAX_WIDTH
        latest = max(recording_end, cue.start + SHORTEST_MS) if after is None else after.start - GAP_MS
        had_its_time = cue.end in {latest, cue.start + MAX_MS}
        letters = sum(reading_length(line.text) + 1 for line in cue.lines) - 1
        assert had_its_time or letters / READING_SPEED * 1000 <= cue.end - cue.start
        assert had_its_time or cue.end - cue.start >= MIN_MS
        assert had_its_time or latest + GAP_MS - cue.end >= SHORTEST_REST_MS
        assert cue.start in starts or any(start < cue.start <= start + 2_000 for start in starts)


def test_nothing_said_nothing_shown() -> None:
    assert cues_of(transcript_of()) == []
    assert cues_of(transcript_of(said(("\n", 0.0, 1.0)))) == []


def test_a_short_word_is_shown_long_enough_to_be_read() -> None:
    (cue,) = cues_of(transcript_of(said(("हाँ", 2.0, 2.2))))
    assert cue == Cue(2_000, 3_000, (Line("हाँ", None, is_labelled=False),))


def test_a_fast_sentence_stays_into_the_silence_behind_it() -> None:
    words = SENTENCE[2:8]
    (cue,) = cues_of(transcript_of(talk(words, start=1.0, pace=0.1)))
    letters = len(" ".join(words))
    assert cue.end - cue.start == pytest.approx(letters / READING_SPEED * 1000, abs=1)


def test_nothing_is_shown_past_the_end_of_the_recording() -> None:
    (cue,) = cues_of(transcript_of(said(("हाँ", 2.0, 2.2)), seconds=2.5))
    assert (cue.start, cue.end) == (2_000, 2_500)
    (cue,) = cues_of(transcript_of(said(("हाँ", 2.0, 9.0)), seconds=2.5))
    assert cue.end == 2_500


def test_words_without_time_follow_one_another() -> None:
    cues = cues_of(transcript_of(said(*[("कखगघङचछजझञ", 1.0, 1.0)] * 20), seconds=1.0))
    check_limits(cues)
    assert len(cues) == 4
    assert cues[0].start == 1_000
    assert cues[-1].start <= 2_000


def test_a_cue_ends_at_a_pause_and_a_short_rest_is_filled() -> None:
    first, second = SENTENCE[:5], SENTENCE[5:9]
    pause = LONGEST_PAUSE_MS / 1000 + 0.5
    cues = cues_of(transcript_of(talk(first + second, after_4=pause)))
    assert [cue.lines[0].text.split() for cue in cues] == [first, second]
    spoken_until = 500 + 5 * 300
    assert (
        cues[0].end == spoken_until + pause * 1000 - GAP_MS or cues[1].start - cues[0].end >= SHORTEST_REST_MS
    )
    long = cues_of(transcript_of(talk(first + second, after_4=4.0)))
    assert long[1].start - long[0].end >= SHORTEST_REST_MS


def test_a_line_breaks_where_a_phrase_begins_and_not_before_a_postposition() -> None:
    for pace in (0.2, 0.25, 0.3):
        for text in shown(transcript_of(talk(SENTENCE, pace=pace))):
            upper, _, lower = text.partition(" / ")
            assert not lower.startswith(("से ", "को ", "में ", "के ", "की ", "ने ", "है", "थी ")), text
            assert not upper.endswith(("लेकिन", "और", "कि", "क्योंकि", "इसलिए")), text


def test_a_postposition_stays_with_its_word() -> None:
    words = ["कखगघ"] * 5
    (text,) = shown(transcript_of(talk([*words, "में", *words], pace=0.5)))
    assert text == " ".join([*words, "में", "/", *words])


def test_a_pause_decides_where_a_line_breaks() -> None:
    words = ["कखगघ"] * 12
    for after in (5, 6):
        (text,) = shown(transcript_of(talk(words, pace=0.4, **{f"after_{after - 1}": 0.6})))
        assert len(text.partition(" / ")[0].split()) == after


def test_lines_are_alike_where_nothing_else_decides() -> None:
    (text,) = shown(transcript_of(talk(["कखगघ"] * 10, pace=0.5)))
    assert text == " / ".join([" ".join(["कखगघ"] * 5)] * 2)


def test_what_fits_on_a_line_is_on_one() -> None:
    words = ["कखगघ"] * 8 + ["कख"]
    (text,) = shown(transcript_of(talk(words)))
    assert text == " ".join(words)
    assert width(text) == MAX_WIDTH


def test_width_counts_what_is_seen() -> None:
    words = ["क्षि"] * 21  # 84 code points and 21 places, 41 with the spaces
    (text,) = shown(transcript_of(talk(words, pace=0.3)))
    assert "/" not in text


def test_a_word_wider_than_a_line_stands_alone_and_whole() -> None:
    wide = "क" * 60
    texts = shown(transcript_of(talk(["यह", wide, "है"], pace=1.0)))
    assert " ".join(texts).replace(" / ", " ") == f"यह {wide} है"
    assert all(wide == line or wide not in line for text in texts for line in text.split(" / "))


def test_channels_are_told_apart() -> None:
    question = talk(["कैसे", "हैं", "आप"], start=1.0, channel=1)
    answer = talk(["ठीक", "हूँ"], start=6.0, channel=2)
    assert [cue.lines for cue in cues_of(transcript_of(question, answer))] == [
        (Line("कैसे हैं आप", 1, is_labelled=True),),
        (Line("ठीक हूँ", 2, is_labelled=True),),
    ]


def test_those_who_speak_at_once_share_a_cue() -> None:
    one = talk(["लेकिन", "मैंने", "तो", "कहा", "था"], start=1.0, channel=1)
    other = talk(["हाँ", "हाँ"], start=1.4, channel=2)
    (cue,) = cues_of(transcript_of(one, other))
    assert cue.lines == (
        Line("लेकिन मैंने तो कहा था", 1, is_labelled=True),
        Line("हाँ हाँ", 2, is_labelled=True),
    )
    assert cue.start == 1_000


def test_it_is_no_pause_while_somebody_else_goes_on() -> None:
    one = said(("अच्छाआआ", 1.0, 4.0), channel=1)
    other = said(("हाँ", 1.2, 1.5), ("ना", 3.0, 3.4), channel=2)
    (cue,) = cues_of(transcript_of(one, other))
    assert [line.text for line in cue.lines] == ["अच्छाआआ", "हाँ ना"]


def test_three_who_speak_at_once_take_turns() -> None:
    cues = cues_of(transcript_of(*(talk(["हाँ"], start=1.0, channel=channel) for channel in (1, 2, 3))))
    check_limits(cues)
    assert sorted(line.channel or 0 for cue in cues for line in cue.lines) == [1, 2, 3]


def test_only_the_first_of_ones_own_lines_is_labelled() -> None:
    (cue,) = cues_of(transcript_of(talk(["कखगघ"] * 10, pace=0.5, channel=2)))
    assert [line.is_labelled for line in cue.lines] == [True, False]


@given(transcripts())
def test_times_run_forward_and_stay_in_the_recording(transcript: Transcript) -> None:
    words = words_in_order(transcript)
    for word in words:
        assert 0 <= word.start <= word.end <= milliseconds(transcript.seconds)
    for before, after in pairwise(words):
        assert before.start <= after.start


def test_words_of_segments_that_have_none_are_spread_over_their_time() -> None:
    transcript = transcript_of(Segment(1.0, 3.0, "एक दो", None, ()))
    assert [(word.text, word.start, word.end) for word in words_in_order(transcript)] == [
        ("एक", 1_000, 2_000),
        ("दो", 2_000, 3_000),
    ]


@pytest.mark.parametrize(
    ("seconds", "moment"),
    [
        (float("nan"), 0),
        (float("-inf"), 0),
        (float("inf"), 0),
        (-1.0, 0),
        (0.0004, 0),
        (0.0016, 2),
        (1.0, 1_000),
    ],
)
def test_times_are_whole_milliseconds(seconds: float, moment: int) -> None:
    assert milliseconds(seconds) == moment
