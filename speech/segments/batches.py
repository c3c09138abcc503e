"""Which stretches of speech go through the graph together: by length, within a budget of memory."""

from collections.abc import Callable, Sequence

WORKING_BYTES = 32 * 2**20
"""What a run of the graph may take beside the model. On one core larger runs are not faster: their
intermediate results leave the cache (docs/segments.md)."""

LOOK_AHEAD = 2
"""Runs of WORKING_BYTES that are gathered before their stretches are grouped: more are better filled, and
text comes later."""

LOOK_AHEAD_SECONDS = 120.0
"""No stretch waits longer for others, in seconds of the recording: speech may be rare in it."""

RUN_SECONDS = 1.0
"""A run of the graph costs as much as this much audio, beyond its own."""


def plan(
    lengths: Sequence[int],
    rate: int,
    working_bytes: Callable[[int, int], int],
    limit: int = WORKING_BYTES,
) -> list[list[int]]:
    """Groups that cover all of `lengths` at the least cost: padding against the cost of a run.

    The cheapest partition of the sorted lengths, by dynamic programming over where a group ends; no better
    one exists that mixes the order.

    Args:
        lengths: samples of each stretch.
        rate: samples a second.
        working_bytes: memory that a run of (rows, samples) takes.
        limit: no group takes more, but for a single stretch that does.

    Returns:
        Indices into `lengths`, each once; the group with the earliest stretch comes first.
    """
    order = sorted(range(len(lengths)), key=lambda index: (lengths[index], index))
    cheapest = [0.0] + [float("inf")] * len(order)
    begins = [0] * (len(order) + 1)
    for end in range(1, len(order) + 1):
        longest = lengths[order[end - 1]]
        for begin in range(end - 1, -1, -1):
            rows = end - begin
            if rows > 1 and working_bytes(rows, longest) > limit:
                break
            cost = cheapest[begin] + RUN_SECONDS * rate + rows * longest
            if cost < cheapest[end]:
                cheapest[end], begins[end] = cost, begin
    groups = []
    end = len(order)
    while end:
        groups.append(sorted(order[begins[end] : end]))
        end = begins[end]
    return sorted(groups)
