"""Properties that hold for every number and for arbitrary words."""

import sys
from collections.abc import Callable
from fractions import Fraction
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transcript.number_speller import ONES, grouped, spell
from tests.transcript.written_numbers import segment_of, written
from transcript.numbers import Digits, write_numbers
from transcript.numbers.grammar import read_number
from transcript.numbers.lexicon import KEPT, ROLES, WORDS
from transcript.numbers.spelling import fold
from transcript.words import Segment, Word

ONE_CRORE = 10**7


def value_of(text: str) -> Fraction | None:
    number = read_number([WORDS[fold(word)] for word in text.split()])
    return None if number is None else number.value


def test_every_number_up_to_ten_thousand_comes_back() -> None:
    for number in range(10_000):
        assert value_of(spell(number)) == number


@settings(max_examples=500)
@given(st.integers(0, 99 * ONE_CRORE + 9_999_999) | st.integers(0, 10**13 - 1))
def test_a_number_that_is_spelled_comes_back_grouped(number: int) -> None:
    assert value_of(spell(number)) == number
    assert written(f"{spell(number)} प्रतिशत") == f"{grouped(number)}%"


@given(st.integers(10, 10**13 - 1))
def test_from_ten_on_a_number_needs_nothing_beside_it(number: int) -> None:
    assert written(spell(number)) == grouped(number)
    assert written(f"{spell(number)}वीं बार") == f"{grouped(number)}वीं बार"
    assert written(f"माइनस {spell(number)}") == f"-{grouped(number)}"


@given(st.integers(1000, 99_99_999))
def test_crores_are_counted_in_thousands_and_lakhs_too(crores: int) -> None:
    assert value_of(f"{spell(crores)} करोड़") == crores * ONE_CRORE


@given(st.integers(0, 10**7), st.text("0123456789", min_size=1, max_size=15))
def test_decimals_come_back_digit_by_digit(whole: int, decimals: str) -> None:
    said = " ".join(ONES[int(digit)] for digit in decimals)
    assert written(f"{spell(whole)} दशमलव {said}") == f"{grouped(whole)}.{decimals}"
    assert value_of(f"{spell(whole)} दशमलव {said}") == Fraction(f"{whole}.{decimals}")


@given(
    st.sampled_from([("साढ़े", Fraction(1, 2)), ("सवा", Fraction(1, 4)), ("पौने", Fraction(-1, 4))]),
    st.integers(1, 99),
    st.sampled_from([("सौ", 100), ("हज़ार", 1000), ("लाख", 10**5), ("करोड़", 10**7)]),
)
def test_quarters_of_a_scale(quarter: tuple[str, Fraction], count: int, scale: tuple[str, int]) -> None:
    assert value_of(f"{quarter[0]} {ONES[count]} {scale[0]}") == (count + quarter[1]) * scale[1]


@given(st.integers(11, 99).filter(lambda count: count % 10), st.integers(0, 99))
def test_hundreds_of_a_century(century: int, year: int) -> None:
    said = f"{ONES[century]} सौ {ONES[year] if year else ''}"
    assert written(said) == grouped(100 * century + year)


@given(st.integers(1, 12), st.integers(1, 59))
def test_times_of_day(hour: int, minute: int) -> None:
    assert written(f"{ONES[hour]} बजकर {ONES[minute]} मिनट पर") == f"{hour}:{minute:02} पर"


@given(st.text("0123456789", min_size=9, max_size=9), st.sampled_from("6789"))
def test_telephone_numbers(rest: str, first: str) -> None:
    digits = first + rest
    assert written(" ".join(ONES[int(digit)] for digit in digits)) == digits


@given(st.integers(1, 999), st.integers(1, 999))
def test_two_numbers_side_by_side_are_one_only_where_they_spell_it(left: int, right: int) -> None:
    said = f"{spell(left)} {spell(right)}"
    assert value_of(said) == (left + right if said == spell(left + right) else None)


VOCABULARY = sorted(
    WORDS.keys()
    | {part for role in ROLES.values() for key in role for part in key.split()}
    | {part for phrases in KEPT.values() for phrase in phrases for place in phrase.words for part in place}
    | {"मैं", "घर", "लोग", "10", "५", "दो-तीन", "रुपये।", "(बीस)", "पच्चीस,", "…", "a", "-", "व"}
)

ANY_WORD = st.text(min_size=1, max_size=6).filter(lambda text: text.split() == [text])


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    texts = draw(st.lists(st.sampled_from(VOCABULARY) | ANY_WORD, min_size=1, max_size=25))
    steps = draw(st.lists(st.integers(0, 20), min_size=2 * len(texts), max_size=2 * len(texts)))
    words, now = [], 0
    for place, text in enumerate(texts):
        start = now + steps[2 * place]
        now = start + steps[2 * place + 1]
        words.append(Word(text, start / 20, now / 20, draw(st.integers(0, 20)) / 20))
    return Segment.from_words(tuple(words), channel=draw(st.none() | st.just(1)))


@settings(max_examples=600)
@given(segments(), st.sampled_from(Digits))
def test_words_are_merged_and_never_lost_or_moved(segment: Segment, digits: Digits) -> None:
    result = write_numbers(segment, digits)
    assert result.spoken == segment.text
    assert result.text == " ".join(word.text for word in result.words)
    assert (result.start, result.end, result.confidence, result.channel) == (
        segment.start,
        segment.end,
        segment.confidence,
        segment.channel,
    )
    left = list(segment.words)
    for word in result.words:
        if word.spoken is None:
            assert word is left.pop(0)
            continue
        said = [left.pop(0) for _ in word.spoken.split()]
        assert word.spoken == " ".join(one.text for one in said)
        assert (word.start, word.end) == (said[0].start, said[-1].end)
        assert word.confidence == min(one.confidence for one in said)
        assert any(character.isdigit() for character in word.text)
    assert not left
    assert all(one.end <= other.start for one, other in zip(result.words, result.words[1:], strict=False))
    assert write_numbers(result, digits) == result


@given(segments())
def test_both_kinds_of_digits_say_the_same(segment: Segment) -> None:
    latin = write_numbers(segment, Digits.LATIN).words
    devanagari = write_numbers(segment, Digits.DEVANAGARI).words
    assert [word.spoken for word in latin] == [word.spoken for word in devanagari]
    to_devanagari = str.maketrans("0123456789", "०१२३४५६७८९")
    for one, other in zip(latin, devanagari, strict=True):
        assert other.text == (one.text.translate(to_devanagari) if one.spoken else one.text)


def lines_run(work: Callable[[], object]) -> int:
    """Count the lines of Python that `work` executes."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> object:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "phrase",
    [
        "मैं घर",
        "एक",
        "सौ",
        "एक सौ",
        "दस से",
        "नौ आठ पाँच",
        "डबल नौ",
        "माइनस",
        "माइनस पाँच",
        "तीन दशमलव एक",
        "पाँच रुपये पचास पैसे",
        "दस बजकर",
        "दो जून",
        "तेरहवीं",
        "साढ़े",
        "बीस,",
    ],
)
def test_work_grows_with_the_words_alone(phrase: str) -> None:
    short, long = (segment_of(" ".join([phrase] * count)) for count in (100, 1000))
    write_numbers(short, Digits.LATIN)  # what is done once is done
    few = lines_run(lambda: write_numbers(short, Digits.LATIN))
    many = lines_run(lambda: write_numbers(long, Digits.LATIN))
    assert many < 10.5 * few


def test_a_megabyte_of_words() -> None:
    phrase = "एक दो सौ रुपये माइनस तीन दशमलव एक चार से नौ आठ पाँच"
    text = " ".join([phrase] * (1_000_000 // len(phrase.encode())))
    result = write_numbers(segment_of(text), Digits.LATIN)
    assert result.spoken == text


@pytest.mark.parametrize("head", ["", "एक", "तीन दशमलव", "तीन दशमलव पाँच", "नंबर", "माइनस"])
@pytest.mark.parametrize("word", ["एक", "नौ", "पच्चीस", "करोड़", "लाख करोड़", "दशमलव पाँच", "साढ़े", "डबल"])
def test_no_run_of_number_words_is_too_long(head: str, word: str) -> None:
    text = f"{head} {' '.join([word] * 5000)}".strip()
    assert write_numbers(segment_of(text), Digits.LATIN).spoken == text
