"""Where there is speech: cuts a stream of samples into chunks that a model takes at once.

A segmenter gives the same chunks however the stream is split into blocks.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
Decibels = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of the recording: `samples` of shape (n,) beginning at `start_sample`.

    Attributes:
        track: the row of the audio's blocks that it was cut from.
    """

    start_sample: int
    samples: Samples
    track: int = 0


class Segmenter(Protocol):
    """Chunks come in order, do not overlap and lie within the signal."""

    def push(self, block: Samples) -> list[Chunk]:
        """Takes the next samples of shape (n,); returns the chunks that they complete."""
        ...

    def flush(self) -> list[Chunk]:
        """Ends the signal; returns what is left. Nothing may be pushed after it."""
        ...


FRAME_SECONDS = 0.01
GATE_DB = -80.0
"""Frames under this, relative to full scale, are silence whatever surrounds them: about the last bit of
16-bit audio."""


class EnergySegmenter:
    """Finds speech by its energy, adapting to the noise around it; prefers a chunk too many to a word too
    few.

    A frame of 10 ms is active when its level (its mean removed) exceeds the lower of two thresholds:
    `over_floor_db` above the noise floor (10th percentile) and `under_peak_db` below the loudest frame,
    both over the 8 seconds before and the 3 to 4 seconds after it; in steady noise everything is active.
    Active stretches less than `merge_seconds` apart are one chunk, with `pad_seconds` of what surrounds it.
    A chunk that would exceed `max_seconds` is cut at the quietest 90 ms of its second half, and the next
    one begins there. Pauses do not divide the first `max_seconds`, so a recording no longer than that is
    one chunk from its first to its last active frame.

    Memory is bounded by max_seconds plus the look-ahead. Samples outside chunks are dropped.
    """

    def __init__(
        self,
        sample_rate: int,
        max_seconds: float,
        *,
        pad_seconds: float = 0.25,
        merge_seconds: float = 0.6,
        over_floor_db: float = 9.0,
        under_peak_db: float = 30.0,
    ) -> None:
        self._hop = max(round(sample_rate * FRAME_SECONDS), 1)
        self._max = max(int(max_seconds * sample_rate / self._hop), 2)
        self._pad = min(round(pad_seconds / FRAME_SECONDS), self._max // 4)
        self._merge = max(round(merge_seconds / FRAME_SECONDS), 2 * self._pad)
        self._over_floor_db, self._under_peak_db = over_floor_db, under_peak_db
        self._step = round(1.0 / FRAME_SECONDS)
        self._past, self._ahead = 8 * self._step, 3 * self._step

        self._samples = _Tail()
        self._levels = _Tail()
        self._measured = 0
        """Frames whose level is known."""
        self._decided = 0
        """Frames known to be active or not, a multiple of the step until the end."""
        self._start: int | None = None
        """First frame of the open chunk, padding included."""
        self._speech_end = 0
        """Frame after the last active one of the open chunk."""
        self._free = 0
        """Frames before this are in chunks handed out."""
        self._split = False
        """The recording is known to be longer than one chunk."""

    def push(self, block: Samples) -> list[Chunk]:
        self._samples.append(block)
        frames = self._samples.end // self._hop - self._measured
        if frames > 0:
            self._measure(frames)
        chunks: list[Chunk] = []
        while self._measured - self._decided >= self._step + self._ahead:
            chunks += self._decide(self._step)
        return chunks

    def flush(self) -> list[Chunk]:
        if self._samples.end > self._measured * self._hop:
            self._levels.append(
                _levels(self._samples.get(self._measured * self._hop, self._samples.end)[None])
            )
            self._measured += 1
        chunks: list[Chunk] = []
        while self._decided < self._measured:
            chunks += self._decide(min(self._step, self._measured - self._decided))
        if self._start is not None:
            chunks += self._close()
        return chunks

    def _measure(self, frames: int) -> None:
        begin = self._measured * self._hop
        samples = self._samples.get(begin, begin + frames * self._hop)
        self._levels.append(_levels(samples.reshape(frames, self._hop)))
        self._measured += frames

    def _decide(self, frames: int) -> list[Chunk]:
        """Classes the next frames as active or not and moves the open chunk along."""
        begin, end = self._decided, self._decided + frames
        context = self._levels.get(
            max(begin - self._past, 0), min(begin + self._step + self._ahead, self._measured)
        )
        audible = context[context > GATE_DB]
        chunks: list[Chunk] = []
        if audible.size:
            rank = (audible.size - 1) // 10
            floor = float(np.partition(audible, rank)[rank])
            threshold = min(floor + self._over_floor_db, float(audible.max()) - self._under_peak_db)
            active = self._levels.get(begin, end) > max(threshold, GATE_DB)
            edges = np.flatnonzero(np.diff(active.astype(np.int8), prepend=0, append=0)) + begin
            for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
                chunks += self._extend(first, last)
        self._decided = end
        self._split = self._split or end > self._max
        if self._start is not None and self._split and end - self._speech_end >= self._merge:
            chunks += self._close()
        keep = self._start if self._start is not None else max(end - self._pad, self._free)
        self._samples.drop(keep * self._hop)
        self._levels.drop(min(keep, end - self._past))
        return chunks

    def _extend(self, first: int, last: int) -> list[Chunk]:
        """Adds the active frames first..last-1 to the open chunk, or opens one with them."""
        chunks: list[Chunk] = []
        if self._start is not None and first - self._speech_end >= self._merge and last > self._max:
            self._split = True
            chunks += self._close()
        if self._start is None:
            self._start = max(first - self._pad, self._free)
        self._speech_end = last
        while last - self._start > self._max:
            self._split = True
            cut = self._quietest(self._start)
            chunks.append(self._emit(self._start, cut))
            self._start = cut
        return chunks

    def _close(self) -> list[Chunk]:
        assert self._start is not None
        start, self._start = self._start, None
        end = min(self._speech_end + self._pad, self._measured, start + self._max)
        return [self._emit(start, end)]

    def _emit(self, start: int, end: int) -> Chunk:
        self._free = end
        begin = start * self._hop
        return Chunk(begin, self._samples.get(begin, min(end * self._hop, self._samples.end)).copy())

    def _quietest(self, start: int) -> int:
        """Frame in the second half of a chunk of full length around which it is quietest."""
        low = start + self._max // 2
        levels = self._levels.get(low, start + self._max)
        width = min(9, len(levels))
        power = np.convolve(np.power(10.0, levels / 10.0), np.ones(width), mode="valid")
        return low + int(power.argmin()) + width // 2


class _Tail:
    """The end of a growing array: appended to, read by index from the beginning, dropped from the front."""

    def __init__(self) -> None:
        self._buffer = np.empty(1024, np.float32)
        self._origin = 0
        """Index of the buffer's first value."""
        self._begin = 0
        """Index of the first value not dropped."""
        self.end = 0

    def append(self, values: npt.NDArray[np.float32]) -> None:
        end = self.end + len(values)
        if end - self._origin > len(self._buffer):
            kept = self._buffer[self._begin - self._origin : self.end - self._origin]
            if end - self._begin > len(self._buffer) // 2:
                self._buffer = np.empty(2 * (end - self._begin), np.float32)
            self._buffer[: len(kept)] = kept.copy()
            self._origin = self._begin
        self._buffer[self.end - self._origin : end - self._origin] = values
        self.end = end

    def get(self, begin: int, end: int) -> npt.NDArray[np.float32]:
        """Values begin..end-1, valid until the next append."""
        assert begin >= self._begin, "these values were dropped"
        return self._buffer[begin - self._origin : end - self._origin]

    def drop(self, before: int) -> None:
        self._begin = max(self._begin, min(before, self.end))


def _levels(frames: Samples) -> Decibels:
    """Level of each row of shape (frames, samples) in decibels relative to full scale."""
    mean = frames.mean(axis=1, dtype=np.float64)
    power = np.einsum("ij,ij->i", frames, frames, dtype=np.float64) / frames.shape[1] - mean**2
    levels: Decibels = (10.0 * np.log10(np.maximum(power, 1e-12))).astype(np.float32)
    return levels
