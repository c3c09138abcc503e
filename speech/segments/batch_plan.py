"""Which chunks go through the graph together: of similar length, within a memory budget."""

from collections.abc import Callable, Iterator, Sequence

from speech.segments.energy import Chunk

WORKING_BYTES = 32 * 2**20
"""Memory that one batch may take beside the model. Larger batches are not faster on one core: their
intermediate results leave the cache (docs/segments.md)."""

LOOK_AHEAD = 2
"""How many batches' worth of chunks to buffer before planning. Higher packs better and delays text."""

LOOK_AHEAD_SECONDS = 120.0
"""The longest that a chunk waits for others, in seconds of the recording: speech may be rare in it."""

RUN_SECONDS = 1.0
"""Overhead of running a batch, expressed in seconds of audio."""


class LookAhead:
    """Buffers chunks until there are enough of them to plan batches.

    What is released together, a lot, depends on nothing but the recording, so every attempt forms the same
    batches.
    """

    def __init__(self, rate: int, working_bytes: Callable[[int, int], int], limit: int) -> None:
        """
        Args:
            rate: samples a second.
            working_bytes: memory that a batch of (rows, samples) takes.
            limit: memory that a batch may take.
        """
        self._reach = round(LOOK_AHEAD_SECONDS * rate)
        self._working_bytes = working_bytes
        self._limit = LOOK_AHEAD * limit
        self._lot: list[Chunk] = []
        self._size = 0

    def add(self, chunks: Sequence[Chunk], settled: int) -> Iterator[list[Chunk]]:
        """Take the next chunks; yield the lots that are complete.

        Args:
            settled: no chunk that comes later begins before this sample.
        """
        for chunk in chunks:
            if self._lot and (self._size >= self._limit or self._is_beyond(chunk.start_sample)):
                yield self.flush()
            self._lot.append(chunk)
            self._size += self._working_bytes(1, len(chunk.samples))
        if self._lot and self._is_beyond(settled):
            yield self.flush()

    def _is_beyond(self, sample: int) -> bool:
        return sample >= self._lot[0].start_sample + self._reach

    def flush(self) -> list[Chunk]:
        """Release what is buffered."""
        lot, self._lot, self._size = self._lot, [], 0
        return lot


def plan(
    lengths: Sequence[int],
    rate: int,
    working_bytes: Callable[[int, int], int],
    limit: int = WORKING_BYTES,
) -> list[list[int]]:
    """Group waveforms into batches at the least cost: padding against the overhead of a batch.

    Finds the cheapest partition of the sorted lengths by dynamic programming over where a batch ends. No
    partition that mixes the order is cheaper.

    Args:
        lengths: samples of each waveform.
        rate: samples a second.
        working_bytes: memory that a batch of (rows, samples) takes.
        limit: memory that a batch may take; a single waveform may take more.

    Returns:
        Indices into `lengths`, each once. The batch with the earliest waveform comes first.
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
