"""The lowest and highest samples of a recording, gathered while it streams by."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Peaks:
    """Lowest and highest sample of each stretch of `samples_per_pixel` samples; the last stretch may be
    shorter.

    Attributes:
        sample_rate: hertz of the samples that were measured.
        samples: how many there were.
        lows, highs: shape (stretches,), within ±1.
    """

    sample_rate: int
    samples_per_pixel: int
    samples: int
    lows: Samples
    highs: Samples

    @property
    def seconds(self) -> float:
        return self.samples / self.sample_rate

    def to_dict(self, bits: int = 8) -> dict[str, Any]:
        """The JSON form of the program audiowaveform (version 2), which web players read.

        Args:
            bits: 8 or 16; full scale is 127 or 32767.
        """
        scale = (1 << (bits - 1)) - 1
        data = np.stack((self.lows, self.highs), axis=1).ravel()
        return {
            "version": 2,
            "channels": 1,
            "sample_rate": self.sample_rate,
            "samples_per_pixel": self.samples_per_pixel,
            "bits": bits,
            "length": len(self.lows),
            "data": np.rint(np.clip(data, -1.0, 1.0) * scale).astype(int).tolist(),
        }


class PeakMeter:
    """Gathers peaks from blocks in constant memory.

    Stretches begin at `FIRST_WIDTH` samples. Each time there are `capacity` of them (an even number) they
    are joined in pairs, so that in the end there are between half of `capacity` and `capacity`, or fewer
    for a short recording.
    """

    FIRST_WIDTH: Final = 32

    def __init__(self, sample_rate: int, capacity: int = 2048) -> None:
        self._sample_rate = sample_rate
        self._capacity = capacity
        self._width = self.FIRST_WIDTH
        self._samples = 0
        self._count = 0
        """Stretches that are complete."""
        self._filled = 0
        """Samples in the stretch that is not."""
        self._lows = np.zeros(capacity, np.float32)
        self._highs = np.zeros(capacity, np.float32)

    def push(self, block: Samples) -> None:
        """Takes the next samples of shape (n,)."""
        self._samples += len(block)
        while len(block):
            if self._filled or len(block) < self._width:
                used = min(self._width - self._filled, len(block))
                self._add_part(block[:used])
            else:
                stretches = min(len(block) // self._width, self._capacity - self._count)
                used = stretches * self._width
                self._add(block[:used].reshape(stretches, self._width))
            block = block[used:]
            if self._count == self._capacity:
                self._join()

    def _add_part(self, part: Samples) -> None:
        low, high = part.min(), part.max()
        at = self._count
        self._lows[at] = min(self._lows[at], low) if self._filled else low
        self._highs[at] = max(self._highs[at], high) if self._filled else high
        self._filled += len(part)
        if self._filled == self._width:
            self._filled = 0
            self._count += 1

    def _add(self, stretches: Samples) -> None:
        end = self._count + len(stretches)
        stretches.min(axis=1, out=self._lows[self._count : end])
        stretches.max(axis=1, out=self._highs[self._count : end])
        self._count = end

    def _join(self) -> None:
        self._count //= 2
        self._lows[: self._count] = np.minimum(self._lows[::2], self._lows[1::2])
        self._highs[: self._count] = np.maximum(self._highs[::2], self._highs[1::2])
        self._width *= 2

    def peaks(self) -> Peaks:
        """What was gathered so far, an incomplete stretch included."""
        end = self._count + (self._filled > 0)
        return Peaks(
            self._sample_rate, self._width, self._samples, self._lows[:end].copy(), self._highs[:end].copy()
        )
