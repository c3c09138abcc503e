"""Width, reading length and reduction to one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcript.characters import one_line, reading_length, width


@pytest.mark.parametrize(
    ("text", "clusters", "letters"),
    [
        ("", 0, 0),
        ("abc", 3, 3),
        ("नमस्ते", 3, 6),
        ("क्षत्रिय", 3, 8),
        ("राष्ट्र", 2, 7),
        ("ज़िंदगी", 3, 7),
        ("क़", 1, 2),
        ("हूँ", 1, 3),
        ("हिन्दी भाषा", 5, 11),
        ("क्\u200dष", 1, 3),  # a joiner asks for half a letter: still one
        ("क्\u200cष", 2, 3),  # a non-joiner keeps them apart
        ("क्अ", 2, 3),  # a virama joins consonants alone
        ("अ्क", 2, 3),
        ("ि", 1, 1),  # shown on a dotted circle
        ("\u200d", 0, 0),
        ("e\u0301", 1, 2),
        ("१२३", 3, 3),
    ],
)
def test_what_is_seen_and_what_is_read(text: str, clusters: int, letters: int) -> None:
    assert (width(text), reading_length(text)) == (clusters, letters)


@given(st.text())
def test_a_text_is_never_wider_than_its_characters(text: str) -> None:
    assert width(text) <= reading_length(text) <= len(text)


HINDI = st.text("अकषतरिा्ँ़े\u200d", max_size=8).map(lambda marks: "क" + marks)


@given(HINDI, HINDI)
def test_words_side_by_side_take_the_room_of_both_and_a_space(one: str, other: str) -> None:
    assert width(f"{one} {other}") == width(one) + 1 + width(other)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("नमस्ते", "नमस्ते"),
        (" a  b ", "a b"),
        ("a\tb\r\nc\x00d\x85e\u2028f\u2029g\x0bh", "a b c d e f g h"),
        ("क\u200dष", "क\u200dष"),
        ("\ud800", ""),
        ("\n", ""),
    ],
)
def test_one_line(text: str, line: str) -> None:
    assert one_line(text) == line


@given(st.text())
def test_a_line_breaks_for_no_program(text: str) -> None:
    line = one_line(text)
    assert line.splitlines() == ([line] if line else [])
    assert one_line(line) == line
    line.encode()
