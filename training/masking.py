"""Augmentation of features and of phone posteriors, on whole batches; a generator is of their device."""

import torch
from torch import Tensor


def warped(mel: Tensor, factors: Tensor) -> Tensor:
    """Stretch each utterance's mel axis by its factor: another length of vocal tract. mel (B, T, M)."""
    size = mel.shape[2]
    where = (torch.arange(size, device=mel.device)[None, :] * factors[:, None]).clamp(max=size - 1.0)
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
        return torch.rand(*shape, generator=generator, device=mel.device)

    keep = torch.ones(batch, steps, dtype=torch.bool, device=mel.device)
    position = torch.arange(steps, device=mel.device)[None, None, :]
    count = 4
    width = drawn(batch, count) * 0.05 * frames[:, None] * (drawn(batch, count) < 0.7)
    width = width.clamp(max=35)
    start = drawn(batch, count) * (frames[:, None] - width)
    keep &= ~((position >= start[:, :, None]) & (position < (start + width)[:, :, None])).any(1)
    band = torch.arange(size, device=mel.device)[None, None, :]
    height = drawn(batch, 2) * 16
    bottom = drawn(batch, 2) * (size - height)
    open_band = ~((band >= bottom[:, :, None]) & (band < (bottom + height)[:, :, None])).any(1)
    return mel * (keep[:, :, None] & open_band[:, None, :])


def blurred(logits: Tensor, most: Tensor, generator: torch.Generator) -> Tensor:
    """Phone logits (B, T, phones) as unknown voices make them: what the spelling part learns to bear.

    Most utterances get noise, of one kind that lasts and one that passes; phones that this voice hardly says,
    as Hindi voices h and the nasal mark; and moments that are lost in the blank. `most` (B) is how much of it
    an utterance gets at most.
    """
    batch, steps, symbols = logits.shape
    device = logits.device
    strength, chance = torch.rand(2, batch, 1, 1, generator=generator, device=device)
    systematic = torch.randn(batch, 1, symbols, generator=generator, device=device)
    passing = torch.randn(batch, steps, symbols, generator=generator, device=device)
    unsaid = (torch.rand(batch, 1, symbols, generator=generator, device=device) < 0.05).to(logits.dtype)
    unsaid[:, :, 0] = 0.0
    lost = (torch.rand(batch, steps, generator=generator, device=device) < 0.1).to(logits.dtype)
    noise = systematic + passing - 5.0 * unsaid
    noise[:, :, 0] += 5.0 * lost
    return logits + strength * (chance < 0.7) * most[:, None, None] * noise
