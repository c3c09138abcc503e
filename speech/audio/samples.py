"""Work on blocks of samples: mix their channels, fit them to the tracks, silence what cannot be sound."""

from typing import Final

import numpy as np

from speech.audio.blocks import Samples
from speech.errors import AudioUnsupported

FULL_SCALE_LIMIT: Final = 10.0
"""Floating-point samples up to this (20 dB over full scale) are clipped to ±1. Larger ones mean that the file
uses other units."""

OTHER_UNITS: Final = 0.25
"""If more than this share of a block is beyond FULL_SCALE_LIMIT, the file uses other units. Fewer are
damage."""

CANCELLED: Final = 0.01
"""If the mean of two channels has less than this fraction of their mean power (-20 dB), they carry one signal
in opposite phase, as from a balanced cable in a stereo socket. The mean would be silent, so half the
difference is used."""


def mixed(block: Samples) -> Samples:
    """Mix to the mean of the channels, shape (samples, 1). For channels in opposite phase see CANCELLED."""
    channels = block.shape[1]
    if channels == 1:
        return block
    mean: Samples = block.mean(axis=1, keepdims=True)
    if channels == 2:
        power = float(np.einsum("ij,ij->", block, block)) / 2
        if float(np.einsum("ij,ij->", mean, mean)) < CANCELLED * power:
            mean = (block[:, :1] - block[:, 1:]) / np.float32(2)
    return mean


def fitted(block: Samples, tracks: int) -> Samples:
    """Make as many channels as tracks: missing ones are silent, the last track mixes all further ones."""
    fitted = np.zeros((len(block), tracks), np.float32)
    kept = min(tracks, block.shape[1])
    fitted[:, :kept] = block[:, :kept]
    if block.shape[1] > tracks:
        fitted[:, -1:] = mixed(block[:, tracks - 1 :])
    return fitted


def without_damage(block: Samples) -> tuple[Samples, list[tuple[int, int]], bool]:
    """Silence the samples that cannot be sound: not numbers, or far beyond full scale.

    Returns:
        The samples, the spans that were silenced, and whether any other sample is left.

    Raises:
        AudioUnsupported: so many are beyond full scale that the file uses other units.
    """
    finite = np.isfinite(block)
    beyond = finite & (np.abs(block) > FULL_SCALE_LIMIT)
    if beyond.mean() > OTHER_UNITS:
        raise AudioUnsupported(
            f"The recording has floating-point samples as large as {np.abs(block[beyond]).max():.3g}, but "
            "full scale is 1. Divide them, or store them as integers."
        )
    bad = beyond | ~finite
    silenced = np.where(bad, np.float32(0), block)
    edges = np.flatnonzero(np.diff(bad.any(axis=1).astype(np.int8), prepend=0, append=0))
    spans = list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
    return silenced, spans, not bad.all()
