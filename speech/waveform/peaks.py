"""Collect the lowest and highest samples of a recording while it is decoded."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Peaks:
    """Lowest and highest sample of each bin of `samples_per_pixel` samples. The last bin may be shorter.

    Attributes:
        sample_rate: of the samples that were measured, in hertz.
        samples: their number.
        lows, highs: shape (bins,), within ±1.
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
        """Return the JSON format of audiowaveform (version 2), which web players read.

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
    """Collects peaks from blocks in constant memory.

    Bins begin at `FIRST_WIDTH` samples. Whenever there are `capacity` of them (an even number) they are
    merged in pairs, so that a recording ends with between half of `capacity` and `capacity` bins. A short one
    has fewer.
    """

    FIRST_WIDTH: Final = 32

    def __init__(self, sample_rate: int, capacity: int = 2048) -> None:
        self._sample_rate = sample_rate
        self._capacity = capacity
        self._width = self.FIRST_WIDTH
        self._samples = 0
        self._count = 0
        """Complete bins."""
        self._filled = 0
        """Samples in the incomplete bin."""
        self._lows = np.zeros(capacity, np.float32)
        self._highs = np.zeros(capacity, np.float32)

    def push(self, block: Samples) -> None:
        """Add the next samples, shape (n,)."""
        self._samples += len(block)
        while len(block):
            if self._filled or len(block) < self._width:
                used = min(self._width - self._filled, len(block))
                self._add_part(block[:used])
            else:
                bins = min(len(block) // self._width, self._capacity - self._count)
                used = bins * self._width
                self._add(block[:used].reshape(bins, self._width))
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

    def _add(self, bins: Samples) -> None:
        end = self._count + len(bins)
        bins.min(axis=1, out=self._lows[self._count : end])
        bins.max(axis=1, out=self._highs[self._count : end])
        self._count = end

    def _join(self) -> None:
        self._count //= 2
        self._lows[: self._count] = np.minimum(self._lows[::2], self._lows[1::2])
        self._highs[: self._count] = np.maximum(self._highs[::2], self._highs[1::2])
        self._width *= 2

    def peaks(self) -> Peaks:
        """Return the peaks so far, including an incomplete bin."""
        end = self._count + (self._filled > 0)
        return Peaks(
            self._sample_rate, self._width, self._samples, self._lows[:end].copy(), self._highs[:end].copy()
        )
