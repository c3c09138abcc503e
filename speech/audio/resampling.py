"""Resample a stream of blocks with libsoxr. The result does not depend on how the stream is split."""

import numpy as np
import soxr

from speech.audio.blocks import Samples


class Resampler:
    """Resamples blocks of shape (samples, tracks), within ±1. Blocks at the target rate pass as they are."""

    def __init__(self, source_rate: int, target_rate: int, tracks: int) -> None:
        """Rates are in hertz."""
        self._tracks = tracks
        self._stream: soxr.ResampleStream | None = None
        if source_rate != target_rate:
            self._stream = soxr.ResampleStream(
                source_rate, target_rate, tracks, dtype="float32", quality="HQ"
            )

    def push(self, block: Samples) -> Samples:
        """Return what can be resampled so far, shape (tracks, samples)."""
        return block.T if self._stream is None else self._clipped(block, last=False)

    def flush(self) -> Samples:
        """End the stream and return the samples that were held back, shape (tracks, samples)."""
        nothing = np.zeros((0, self._tracks), np.float32)
        return nothing.T if self._stream is None else self._clipped(nothing, last=True)

    def _clipped(self, block: Samples, *, last: bool) -> Samples:
        assert self._stream is not None
        resampled: Samples = np.clip(self._stream.resample_chunk(block, last=last), -1.0, 1.0)
        return resampled.T
