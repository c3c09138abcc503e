"""Measure a recording while it is read: clipping, loudness, channels with the same sound."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

FULL_SCALE: Final = 0.98
"""Samples from here on count as full scale. mu-law's largest value is 0.9804."""

CLIPPED_RUN: Final = 3
"""Consecutive samples at full scale that count as clipped. A true peak rarely stays there for as many."""

CLIPPED_SHARE: Final = 0.0005
"""If more than this share of the samples is clipped, the recording counts as overdriven."""

QUIET_DB: Final = -65.0
"""If 99 % of the audible frames are below this level, the recording counts as quiet. From here on the error
rate rises, see docs/records/2026-11-28-levels.md."""

AUDIBLE_DB: Final = -85.0
"""Frames below this level are silence. They do not count for the loudness."""

TWIN_DB: Final = -40.0
"""If the difference of two channels is this far below them, they hold the same sound."""

_BINS: Final = 100
_FRAME_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class SignalReport:
    """What was measured.

    Attributes:
        clipped_share: samples in runs of at least CLIPPED_RUN at full scale, over all samples.
        loudness: 99th percentile of the audible frames' levels in dB relative to full scale; None if there
            are none.
        twins: pairs of channels with the same sound, counted from 1.
    """

    clipped_share: float
    loudness: float | None
    twins: tuple[tuple[int, int], ...] = ()

    @property
    def is_clipped(self) -> bool:
        return self.clipped_share > CLIPPED_SHARE

    @property
    def is_quiet(self) -> bool:
        return self.loudness is not None and self.loudness < QUIET_DB


class SignalMeter:
    """Measures blocks of samples in constant memory."""

    def __init__(self) -> None:
        self._samples = 0
        self._clipped = 0
        self._levels = np.zeros(_BINS, np.int64)
        """Number of frames by level, in steps of 1 dB below full scale."""
        self._products: npt.NDArray[np.float64] | None = None

    def count_clipped(self, block: Samples, peak: float) -> None:
        """Count clipped samples in a block as it was decoded, shape (samples, channels), full scale 1.

        Args:
            peak: the largest absolute value in it.
        """
        self._samples += block.size
        if peak >= FULL_SCALE:
            self._clipped += _clipped(block)

    def measure(self, tracks: Samples, rate: int) -> None:
        """Measure the level of a block, shape (samples, tracks), and compare its tracks."""
        self._count_levels(tracks, rate)
        if tracks.shape[1] > 1:
            products = (tracks.T @ tracks).astype(np.float64)
            self._products = products if self._products is None else self._products + products

    def _count_levels(self, block: Samples, rate: int) -> None:
        frame = max(round(_FRAME_SECONDS * rate), 1)
        frames = block[: len(block) // frame * frame].reshape(-1, frame * block.shape[1])
        if not len(frames):
            return
        power = np.einsum("ij,ij->i", frames, frames) / frames.shape[1] - frames.mean(axis=1) ** 2
        levels = -10.0 * np.log10(np.maximum(power, 1e-12))
        audible = levels[levels < -AUDIBLE_DB]
        self._levels += np.bincount(np.clip(audible, 0, _BINS - 1).astype(np.int64), minlength=_BINS)

    def report(self) -> SignalReport:
        """Return what was measured so far."""
        frames = int(self._levels.sum())
        loudness = None
        if frames:
            loudness = -float(np.searchsorted(np.cumsum(self._levels), max(frames // 100, 1)))
        share = self._clipped / self._samples if self._samples else 0.0
        return SignalReport(share, loudness, self._twins())

    def _twins(self) -> tuple[tuple[int, int], ...]:
        if self._products is None:
            return ()
        power = np.diag(self._products)
        count = len(power)
        apart = power[:, None] + power[None, :] - 2 * self._products
        alike = (apart < 10 ** (TWIN_DB / 10) * power[:, None]) & (power[:, None] > 0)
        return tuple((i + 1, j + 1) for i in range(count) for j in range(i + 1, count) if alike[i, j])


def _clipped(block: Samples) -> int:
    """Count the samples in runs of at least CLIPPED_RUN at full scale."""
    if len(block) < CLIPPED_RUN:
        return 0
    full = np.abs(block) >= FULL_SCALE
    starts = full[: len(full) - CLIPPED_RUN + 1].copy()
    for shift in range(1, CLIPPED_RUN):
        starts &= full[shift : len(full) - CLIPPED_RUN + 1 + shift]
    covered = np.zeros_like(full)
    for shift in range(CLIPPED_RUN):
        covered[shift : len(full) - CLIPPED_RUN + 1 + shift] |= starts
    return int(covered.sum())
