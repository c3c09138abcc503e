"""Segment audio by energy: cut a stream of samples into chunks that the model can process at once.

A segmenter's chunks do not depend on how the stream is split into blocks.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from speech.segments.loudness import CLICK_SECONDS, LOWEST_DB, Decibels, Samples, frame_levels, stretches


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of the recording: `samples` of shape (n,) that begin at `start_sample`.

    Attributes:
        track: row of the audio blocks that it was cut from.
        goes_on: whether it was cut without a pause, so that the next chunk of its track overlaps its end.
        follows: whether the preceding chunk of its track was cut so, and overlaps its beginning.
    """

    start_sample: int
    samples: Samples
    track: int = 0
    goes_on: bool = False
    follows: bool = False

    @property
    def end_sample(self) -> int:
        return self.start_sample + len(self.samples)


class Segmenter(Protocol):
    """Cuts a signal into chunks, in order. Chunks overlap only where `Chunk.follows` says so."""

    @property
    def settled(self) -> int:
        """Index of the first sample whose chunk is undecided: earlier ones were returned, or are in none."""
        ...

    def push(self, block: Samples) -> list[Chunk]:
        """Process the next samples, shape (n,), and return the chunks that they complete."""
        ...

    def flush(self) -> list[Chunk]:
        """End the signal and return the remaining chunks. Nothing may be pushed afterwards."""
        ...


FRAME_SECONDS = 0.01
GATE_DB = -80.0
"""Level below which a frame is silence, relative to full scale, unless what surrounds it is quiet too. Even
then it must exceed the noise floor: dither is no speech."""
RANGE_DB = 60.0
"""Frames this far below the loudest ones around them are silence in a quiet recording."""
MIN_PAUSE_SECONDS = 0.3
"""Shortest pause to cut in. Each side keeps half of it."""


class EnergySegmenter:
    """Detects speech by its energy and adapts to the surrounding noise. Prefers false alarms to missed words.

    A 10 ms frame is active if its level (without its mean) exceeds the lower of two thresholds:
    `over_floor_db` above the noise floor (10th percentile), and `under_peak_db` below the loudest frame. Both
    are measured from 8 seconds before to 3 or 4 seconds after the frame. In steady noise every frame is
    active, unless it is below GATE_DB. What is far below the loudest frames is silence: frames below GATE_DB,
    or RANGE_DB below the loudest, whichever is lower, but not below LOWEST_DB.

    Active stretches less than `merge_seconds` apart form one chunk, with `pad_seconds` of context on both
    sides. A chunk longer than `prefer_seconds` is cut in the middle of the longest pause of at least
    MIN_PAUSE_SECONDS in the second half of that length. Without such a pause it may grow to `max_seconds`,
    where the same rule applies. Without a pause there too, the next chunk overlaps this one by about
    `overlap_seconds` around the quietest 90 ms of its last three eighths, and the starts of the two are a
    multiple of `align_samples` apart. A recording of at most `max_seconds` is not divided: it is one chunk
    from its first to its last active frame.

    Memory is bounded by `max_seconds` plus the look-ahead. Samples outside chunks are dropped.
    """

    def __init__(
        self,
        sample_rate: int,
        max_seconds: float,
        *,
        pad_seconds: float = 0.25,
        merge_seconds: float = 0.9,
        prefer_seconds: float = 16.0,
        overlap_seconds: float = 2.0,
        align_samples: int = 1,
        over_floor_db: float = 9.0,
        under_peak_db: float = 30.0,
    ) -> None:
        self._hop = max(round(sample_rate * FRAME_SECONDS), 1)
        self._max = max(int(max_seconds * sample_rate / self._hop), 2)
        self._pad = min(round(pad_seconds / FRAME_SECONDS), self._max // 4)
        self._merge = max(round(merge_seconds / FRAME_SECONDS), 2 * self._pad)
        self._prefer = min(round(prefer_seconds / FRAME_SECONDS), self._max)
        self._min_pause = round(MIN_PAUSE_SECONDS / FRAME_SECONDS)
        self._overlap = min(round(overlap_seconds / FRAME_SECONDS), self._max // 4)
        self._align = math.lcm(self._hop, align_samples) // self._hop
        self._over_floor_db, self._under_peak_db = over_floor_db, under_peak_db
        self._step = round(1.0 / FRAME_SECONDS)
        self._past, self._ahead = 8 * self._step, 3 * self._step

        self._samples = _Tail()
        self._levels = _Tail()
        self._measured = 0
        """Number of frames whose level is known."""
        self._decided = 0
        """Number of frames classified as active or not. A multiple of the step until the end."""
        self._start: int | None = None
        """First frame of the open chunk, including padding."""
        self._speech_end = 0
        """Frame after the last active one of the open chunk."""
        self._pauses: list[tuple[int, int]] = []
        """Pauses of the open chunk that are long enough to cut in, as (first frame, frame after the last)."""
        self._follows = False
        """Whether the open chunk overlaps the preceding one."""
        self._free = 0
        """Frames before this are in returned chunks."""
        self._split = False
        """Whether the recording is known to be longer than one chunk."""

    @property
    def settled(self) -> int:
        free = max(self._decided - self._pad, self._free) if self._start is None else self._start
        return min(free * self._hop, self._samples.end)

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
                frame_levels(self._samples.get(self._measured * self._hop, self._samples.end)[None])
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
        self._levels.append(frame_levels(samples.reshape(frames, self._hop)))
        self._measured += frames

    def _decide(self, frames: int) -> list[Chunk]:
        """Classify the next frames as active or not, and update the open chunk."""
        begin, end = self._decided, self._decided + frames
        context = self._levels.get(
            max(begin - self._past, 0), min(begin + self._step + self._ahead, self._measured)
        )
        lowest = min(max(_loudest(context) - RANGE_DB, LOWEST_DB), GATE_DB)
        audible = context[context > lowest]
        chunks: list[Chunk] = []
        if audible.size:
            rank = (audible.size - 1) // 10
            floor = float(np.partition(audible, rank)[rank])
            over_floor = floor + self._over_floor_db
            threshold = min(over_floor, float(audible.max()) - self._under_peak_db)
            gate = max(min(over_floor, GATE_DB), lowest)
            active = self._levels.get(begin, end) > max(threshold, gate)
            firsts, ends = stretches(active)
            for first, last in zip((firsts + begin).tolist(), (ends + begin).tolist(), strict=True):
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
        """Add the active frames first..last-1 to the open chunk, or open one with them."""
        chunks: list[Chunk] = []
        if self._start is not None and first - self._speech_end >= self._merge and last > self._max:
            self._split = True
            chunks += self._close()
        if self._start is None:
            self._start = max(first - self._pad, self._free)
        elif first - self._speech_end >= self._min_pause:
            self._pauses.append((self._speech_end, first))
        self._speech_end = last
        self._split = self._split or last - self._start > self._max
        while self._split and last - self._start > self._prefer:
            place = self._pause_within(self._start, self._prefer)
            if place is None:
                if last - self._start <= self._max:
                    break
                place = self._pause_within(self._start, self._max)
            chunks.append(self._cut(self._start, place))
        return chunks

    def _pause_within(self, start: int, frames: int) -> int | None:
        """Return the middle of the longest pause in the second half of `frames` frames from `start`."""
        middles = [(end - begin, (begin + end) // 2) for begin, end in self._pauses]
        return max((p for p in middles if frames // 2 <= p[1] - start <= frames), default=(0, None))[1]

    def _cut(self, start: int, place: int | None) -> Chunk:
        """Cut a chunk from the front of the open one, at `place` or, if None, with an overlap."""
        if place is not None:
            end = following = place
        else:
            end = self._quietest(start) + self._overlap // 2
            shift = end - self._overlap - start
            following = start + max(shift - shift % self._align, min(self._align, shift))
        chunk = self._emit(start, end, goes_on=place is None)
        self._start, self._follows = following, place is None
        self._pauses = [pause for pause in self._pauses if pause[0] >= following]
        return chunk

    def _close(self) -> list[Chunk]:
        assert self._start is not None
        start, self._start = self._start, None
        end = min(self._speech_end + self._pad, self._measured, start + self._max)
        chunk = self._emit(start, end, goes_on=False)
        self._pauses, self._follows = [], False
        return [chunk]

    def _emit(self, start: int, end: int, goes_on: bool) -> Chunk:
        self._free = end
        begin = start * self._hop
        samples = self._samples.get(begin, min(end * self._hop, self._samples.end)).copy()
        return Chunk(begin, samples, goes_on=goes_on, follows=self._follows)

    def _quietest(self, start: int) -> int:
        """Return the frame around which a chunk of full length is quietest near its end."""
        low = start + self._max - self._max * 3 // 8
        levels = self._levels.get(low, start + self._max - self._overlap // 2)
        width = min(9, len(levels))
        power = np.convolve(np.power(10.0, levels / 10.0), np.ones(width), mode="valid")
        return low + int(power.argmin()) + width // 2


class _Tail:
    """A growing array that forgets its beginning: append, read by absolute index, drop from the front."""

    def __init__(self) -> None:
        self._buffer = np.empty(1024, np.float32)
        self._origin = 0
        """Index of the buffer's first value."""
        self._begin = 0
        """Index of the first value that was not dropped."""
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
        """Return a view of the values begin..end-1, valid until the next append."""
        assert begin >= self._begin, "these values were dropped"
        return self._buffer[begin - self._origin : end - self._origin]

    def drop(self, before: int) -> None:
        self._begin = max(self._begin, min(before, self.end))


def _loudest(levels: Decibels) -> float:
    """Return the level of the loudest frames, without those of a click."""
    count = min(1 + round(CLICK_SECONDS / FRAME_SECONDS), len(levels))
    return float(np.partition(levels, -count)[-count])
