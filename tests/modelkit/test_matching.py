from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelkit.measuring.matching import matches
from modelkit.measuring.scoring import edit_counts

sequences = st.lists(st.sampled_from("abc"), max_size=8)


@given(sequences, sequences)
def test_matches_are_those_of_a_script_of_the_fewest_edits(one: list[str], other: list[str]) -> None:
    found = matches(one, other)
    assert all(one[i] == other[j] for i, j in found)
    assert found == sorted(set(found))
    assert len({i for i, _ in found}) == len({j for _, j in found}) == len(found)
    # What lies between two matches is replaced pairwise, and the longer rest left out or put in.
    edits, edges = 0, [(-1, -1), *found, (len(one), len(other))]
    for (i, j), (k, m) in pairwise(edges):
        edits += max(k - i - 1, m - j - 1)
    assert edits == edit_counts(one, other).errors


@pytest.mark.parametrize(
    ("said", "heard", "found"),
    [
        ("राम घर गया", "राम घर गया", [(0, 0), (1, 1), (2, 2)]),
        ("राम घर गया", "घर गया था", [(1, 0), (2, 1)]),
        ("राम", "", []),
    ],
)
def test_examples(said: str, heard: str, found: list[tuple[int, int]]) -> None:
    assert matches(said.split(), heard.split()) == found
