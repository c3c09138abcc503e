from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelkit.measuring.scoring import ErrorCounts, character_errors, corpus_errors, edit_counts, word_errors

texts = st.text("abc", max_size=9)


def distance(reference: str, hypothesis: str) -> int:
    @cache
    def fewest(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(
            fewest(i - 1, j) + 1,
            fewest(i, j - 1) + 1,
            fewest(i - 1, j - 1) + (reference[i - 1] != hypothesis[j - 1]),
        )

    return fewest(len(reference), len(hypothesis))


@settings(max_examples=300)
@given(texts, texts)
def test_equals_the_recursive_definition(reference: str, hypothesis: str) -> None:
    counts = edit_counts(reference, hypothesis)
    assert counts.errors == distance(reference, hypothesis)
    assert counts.insertions - counts.deletions == len(hypothesis) - len(reference)
    assert counts.reference_length == len(reference)
    assert min(counts.substitutions, counts.insertions, counts.deletions) >= 0
    assert counts.substitutions + counts.deletions <= len(reference)
    reverse = edit_counts(hypothesis, reference)
    assert (reverse.errors, reverse.insertions) == (counts.errors, counts.deletions)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "words", "rate"),
    [
        ("मैं घर जा रहा हूँ।", "मैं घर जा रहा हूँ", ErrorCounts(0, 0, 0, 5), 0.0),
        ("मैं घर जा रहा हूँ", "मै घर रहा हूँ है", ErrorCounts(1, 1, 1, 5), 0.6),
        ("मैं घर", "", ErrorCounts(0, 0, 2, 2), 1.0),
        ("", "मैं", ErrorCounts(0, 1, 0, 0), float("inf")),
        ("", "।", ErrorCounts(0, 0, 0, 0), 0.0),
        ("एक", "एक दो तीन", ErrorCounts(0, 2, 0, 1), 2.0),
    ],
)
def test_word_errors(reference: str, hypothesis: str, words: ErrorCounts, rate: float) -> None:
    counts = word_errors(reference, hypothesis)
    assert counts.errors == words.errors
    assert counts.rate == rate
    if words != ErrorCounts(1, 1, 1, 5):
        assert counts == words


def test_character_errors_count_matras_and_spaces() -> None:
    assert character_errors("मैं मोहन", "मैं मोन") == ErrorCounts(0, 0, 1, 8)
    assert character_errors("की", "कि") == ErrorCounts(1, 0, 0, 2)
    assert character_errors("अब तक", "अबतक") == ErrorCounts(0, 0, 1, 5)
    assert character_errors("ज़", "\u095b") == ErrorCounts(0, 0, 0, 2)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "counts"),
    [
        ("ab", "ba", ErrorCounts(2, 0, 0, 2)),  # not one insertion and one deletion
        ("abc", "bcd", ErrorCounts(0, 1, 1, 3)),  # two edits, not three substitutions
        ("abcd", "xa", ErrorCounts(2, 0, 2, 4)),  # not x inserted and three deleted: that is four too
        ("और वह", "वह और", ErrorCounts(4, 0, 0, 5)),
        ("", "", ErrorCounts()),
    ],
)
def test_of_equally_short_scripts_the_one_with_the_most_substitutions_counts(
    reference: str, hypothesis: str, counts: ErrorCounts
) -> None:
    assert edit_counts(reference, hypothesis) == counts


def test_another_normaliser() -> None:
    assert word_errors("एक दो", "दो एक", lambda text: "".join(sorted(text))).errors == 0
    assert character_errors("एक", "दो तीन", lambda text: "") == ErrorCounts()


def test_a_corpus_weighs_by_length() -> None:
    total = corpus_errors([word_errors("एक", "दो"), word_errors("एक दो तीन", "एक दो तीन")])
    assert total == ErrorCounts(1, 0, 0, 4)
    assert total.rate == 0.25
    assert corpus_errors([]) == ErrorCounts()


def test_long_texts() -> None:
    reference = [str(i) for i in range(5000)]
    assert edit_counts(reference, reference[1:]) == ErrorCounts(0, 0, 1, 5000)
