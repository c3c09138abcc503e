from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from speech.segments import RUN_SECONDS, plan

RATE = 100


def working_bytes(rows: int, samples: int) -> int:
    return rows * samples


def cost(lengths: list[int], groups: list[list[int]]) -> float:
    return sum(RUN_SECONDS * RATE + len(g) * max(lengths[i] for i in g) for g in groups)


lengths_of_stretches = st.lists(st.integers(1, 1600), max_size=30)


@given(lengths_of_stretches, st.integers(1, 5000))
def test_every_stretch_once_within_the_budget_and_the_earliest_first(lengths: list[int], limit: int) -> None:
    groups = plan(lengths, RATE, working_bytes, limit)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    assert all(group == sorted(group) for group in groups)
    assert [group[0] for group in groups] == sorted(group[0] for group in groups)
    for group in groups:
        assert len(group) == 1 or len(group) * max(lengths[index] for index in group) <= limit


def partitions(items: list[int]) -> list[list[list[int]]]:
    if not items:
        return [[]]
    first, rest = items[0], items[1:]
    found = []
    for size in range(len(rest) + 1):
        for others in combinations(rest, size):
            left = [item for item in rest if item not in others]
            found += [[[first, *others], *more] for more in partitions(left)]
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 1600), min_size=1, max_size=6), st.integers(300, 5000))
def test_no_other_grouping_costs_less(lengths: list[int], limit: int) -> None:
    allowed = [
        groups
        for groups in partitions(list(range(len(lengths))))
        if all(len(g) == 1 or working_bytes(len(g), max(lengths[i] for i in g)) <= limit for g in groups)
    ]
    best = min(cost(lengths, groups) for groups in allowed)
    assert cost(lengths, plan(lengths, RATE, working_bytes, limit)) == best


def test_short_ones_share_a_run_and_long_ones_have_their_own() -> None:
    lengths = [1600, 200, 1590, 210, 190, 1580]
    assert plan(lengths, RATE, working_bytes, 3300) == [[0], [1, 3, 4], [2, 5]]
    assert plan([], RATE, working_bytes, 3300) == []
