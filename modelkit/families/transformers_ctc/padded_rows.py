"""Mask and normalise the padded rows of a batch."""

from typing import Final

import torch
from torch import Tensor

VARIANCE_FLOOR: Final = 1e-7
"""Added to the variance by both Wav2Vec2FeatureExtractor and SeamlessM4TFeatureExtractor."""


def before(lengths: Tensor, size: int) -> Tensor:
    """Mark the first `lengths` of `size` places in each row: (batch, size), boolean."""
    return torch.arange(size)[None, :] < lengths[:, None]


def standardised(values: Tensor, lengths: Tensor, unbiased: bool) -> Tensor:
    """Bring the valid places of each row, for each channel, to mean 0 and variance 1; padding becomes 0.

    The mean is subtracted twice, because a float32 sum over thousands of places is not exact. Time is the
    last axis, because ONNX Runtime sums along others one place after another, which is less so.

    Args:
        values: (batch, channels, time).
        unbiased: divide squares by one less than the number of places.
    """
    mask = before(lengths, values.shape[2])[:, None, :]
    count = lengths[:, None, None].to(values.dtype)
    nearly_centred = (values - (values * mask).sum(2, keepdim=True) / count) * mask
    centred = (nearly_centred - nearly_centred.sum(2, keepdim=True) / count) * mask
    variance = (centred * centred).sum(2, keepdim=True) / (count - 1.0 if unbiased else count)
    return centred / torch.sqrt(variance + VARIANCE_FLOOR)
