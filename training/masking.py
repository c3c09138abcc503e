"""Augmentation of features and of phone posteriors, on whole batches."""

import torch
from torch import Tensor


def warped(mel: Tensor, factors: Tensor) -> Tensor:
    """Stretch each utterance's mel axis by its factor: another length of vocal tract. mel (B, T, M)."""
    size = mel.shape[2]
    where = (torch.arange(size)[None, :] * factors[:, None]).clamp(max=size - 1.0)
    low = where.floor().long()
    high = (low + 1).clamp(max=size - 1)
    share = (where - low)[:, None, :]
    shape = mel.shape
    below = mel.gather(2, low[:, None, :].expand(shape))
    above = mel.gather(2, high[:, None, :].expand(shape))
    return below + (above - below) * share


def hidden(mel: Tensor, frames: Tensor, generator: torch.Generator) -> Tensor:
    """SpecAugment (Park et al. 2019): two bands and a few stretches of time set to zero, the mean."""
    batch, steps, size = mel.shape

    def drawn(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    keep = torch.ones(batch, steps, dtype=torch.bool)
    position = torch.arange(steps)[None, None, :]
    count = 6
    width = drawn(batch, count) * 0.05 * frames[:, None] * (drawn(batch, count) < 0.7)
    width = width.clamp(max=35)
    start = drawn(batch, count) * (frames[:, None] - width)
    keep &= ~((position >= start[:, :, None]) & (position < (start + width)[:, :, None])).any(1)
    band = torch.arange(size)[None, None, :]
    height = drawn(batch, 2) * 22
    bottom = drawn(batch, 2) * (size - height)
    open_band = ~((band >= bottom[:, :, None]) & (band < (bottom + height)[:, :, None])).any(1)
    return mel * (keep[:, :, None] & open_band[:, None, :])


def blurred(logits: Tensor, generator: torch.Generator) -> Tensor:
    """Phone logits made uncertain, as unknown voices make them: what the spelling part learns to bear."""
    batch, steps, symbols = logits.shape
    strength = torch.rand(batch, 1, 1, generator=generator) * (
        torch.rand(batch, 1, 1, generator=generator) < 0.6
    )
    systematic = torch.randn(batch, 1, symbols, generator=generator)
    passing = torch.randn(batch, steps, symbols, generator=generator)
    return logits + strength * (1.2 * systematic + 1.2 * passing)
