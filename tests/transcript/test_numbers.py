"""Numbers in digits: the written form, phrase by phrase, and the resulting words."""

from pathlib import Path

import pytest

from tests.transcript.number_speller import ONES
from tests.transcript.written_numbers import segment_of, written
from transcript.numbers import Digits, lexicon, write_numbers
from transcript.numbers.lexicon import KEPT, ROLES, SCALES, WORDS, Kind, Meaning
from transcript.numbers.spelling import fold, split_punctuation
from transcript.words import Segment, Word

ROOT = Path(__file__).resolve().parents[2]
TO_DEVANAGARI = str.maketrans("0123456789", "०१२३४५६७८९")


def read_phrases() -> list[tuple[str, str]]:
    table = Path(__file__).with_name("number_phrases.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in table.splitlines() if not line.startswith("#")]
    return [(phrase, phrase if written == "=" else written) for phrase, written in rows]


PHRASES = read_phrases()


@pytest.mark.parametrize(("phrase", "expected"), PHRASES, ids=[phrase for phrase, _ in PHRASES])
def test_phrase(phrase: str, expected: str) -> None:
    assert written(phrase) == expected
    segment = write_numbers(segment_of(phrase), Digits.DEVANAGARI)
    in_devanagari = [
        word if word in phrase.split() else word.translate(TO_DEVANAGARI) for word in expected.split()
    ]
    assert segment.text.split() == in_devanagari
    assert segment.spoken == phrase


def test_there_are_several_hundred_phrases_and_a_hundred_that_stay() -> None:
    assert len(dict(PHRASES)) == len(PHRASES) >= 400
    assert sum(phrase == expected for phrase, expected in PHRASES) >= 100


def test_the_examples_of_the_documentation() -> None:
    text = (ROOT / "docs" / "text.md").read_text(encoding="utf-8")
    _, _, table = text.partition("| said | latin | devanagari |\n|---|---|---|\n")
    rows = [line.strip("| ").split(" | ") for line in table.partition("\n\n")[0].splitlines()]
    assert len(rows) > 20
    for said, latin, devanagari in rows:
        assert (written(said), written(said, Digits.DEVANAGARI)) == (latin, devanagari)


def test_a_merged_word_has_the_times_the_least_confidence_and_what_was_said() -> None:
    words = (
        Word("कुल", 0.0, 0.4, 0.9),
        Word("पाँच", 0.5, 0.8, 0.7),
        Word("सौ", 0.8, 1.1, 0.6),
        Word("रुपये,", 1.2, 1.6, 0.8),
        Word("बस", 1.9, 2.2, 0.5),
    )
    segment = Segment(0.0, 2.2, "कुल पाँच सौ रुपये, बस", 0.7, words, channel=2)
    result = write_numbers(segment, Digits.DEVANAGARI)
    assert result == Segment(
        0.0,
        2.2,
        "कुल ₹५००, बस",
        0.7,
        (words[0], Word("₹५००,", 0.5, 1.6, 0.6, spoken="पाँच सौ रुपये,"), words[4]),
        channel=2,
    )
    assert result.words[0] is words[0]


def test_what_was_said_outlives_a_second_writing() -> None:
    word = Word("पच्चीस", 0.0, 1.0, 0.9, spoken="पचीस")
    (result,) = write_numbers(Segment.from_words((word,)), Digits.LATIN).words
    assert (result.text, result.spoken) == ("25", "पचीस")


def test_a_segment_without_numbers_is_the_same_object() -> None:
    segment = segment_of("मैं घर जा रहा हूँ")
    assert write_numbers(segment, Digits.LATIN) is segment


def test_a_segment_without_words_stays() -> None:
    segment = Segment(0.0, 1.0, "", None, ())
    assert write_numbers(segment, Digits.LATIN) is segment


def test_every_usual_spelling_is_in_the_tables() -> None:
    for value, word in enumerate(ONES):
        assert WORDS[fold(word)] == Meaning(Kind.UNIT, value)
    assert sorted(SCALES) == [10**power for power in (2, 3, 5, 7, 9, 11)]


@pytest.mark.parametrize("key", [key for key, meaning in WORDS.items() if meaning.kind is Kind.UNIT])
def test_every_spelling_of_a_cardinal_is_read(key: str) -> None:
    assert written(f"{key} प्रतिशत") == f"{WORDS[key].value}%"
    ordinal = f"{WORDS[key].value}वीं" if WORDS[key].value >= 10 else f"{key}वीं"
    assert written(f"{key}वीं बार") == f"{ordinal} बार"


def test_a_spelling_of_two_numbers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"cardinals.tsv": [["1", "एक"], ["2", "दो एक"]]}
    monkeypatch.setattr(lexicon, "_rows", lambda table: iter(rows[table]))
    with pytest.raises(ValueError, match="एक has two meanings"):
        lexicon._read_words()


def test_no_word_of_the_tables_is_two_things() -> None:
    """Words beside a number must not be number words too, and all keys must be folded."""
    beside = set().union(*(ROLES[role] for role in ("percent", "money", "paise", "month", "clock", "unit")))
    assert not beside & WORDS.keys()
    assert all(fold(key) == key and split_punctuation(key) == ("", key, "") for key in WORDS)


@pytest.mark.parametrize(
    "phrase",
    [phrase for phrases in KEPT.values() for phrase in phrases],
    ids=lambda phrase: " ".join("/".join(sorted(place)) for place in phrase.words),
)
def test_every_kept_phrase_would_change_without_its_line(phrase, monkeypatch: pytest.MonkeyPatch) -> None:
    for choice in range(max(map(len, phrase.words))):
        text = " ".join(sorted(place)[choice % len(place)] for place in phrase.words)
        monkeypatch.undo()
        assert written(text) == text
        monkeypatch.setattr("transcript.numbers.runs.KEPT", {})
        assert written(text) != text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("हज़ार", "हजार"),
        ("ह\u095bार", "हजार"),
        ("हजा\u093cर", "हज़ार"),
        ("पाँच", "पांच"),
        ("पन्द्रह", "पंद्रह"),
        ("सितम्बर", "सितंबर"),
        ("ग्\u200dयारह", "ग्यारह"),
        ("क्\u200cष", "क्ष"),
    ],
)
def test_spellings_that_are_one(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("छः", "छ"), ("सात", "साठ"), ("उन्नीस", "उंनीस"), ("सौ", "सौं")])
def test_spellings_that_are_two(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_punctuation_is_taken_off_the_ends_alone() -> None:
    assert split_punctuation("“दो-तीन।”") == ("“", "दो-तीन", "।”")
    assert split_punctuation("…") == ("…", "", "")
    assert split_punctuation("छः") == ("", "छः", "")
