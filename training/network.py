"""The acoustic model: log-mels, a Conformer to phones, and a small Conformer from phones to spelling.

Conformer: Gulati et al. 2020 (arXiv:2005.08100); rotary positions: Su et al. 2021 (arXiv:2104.09864); the
halved frame rate of the inner blocks: Kim et al. 2022, Squeezeformer (arXiv:2206.00888).
Shapes: B utterances, S samples, T frames. Every layer that looks along time is masked, so that an utterance
gives the same result alone and padded in a batch.
"""

from dataclasses import asdict, dataclass

import librosa
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

WINDOW, HOP, FFT = 400, 160, 512
MASKED = -30000.0


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Everything that fixes the shapes of the weights."""

    phones: int
    characters: int
    mels: int = 80
    subsampling_channels: int = 32
    width: int = 144
    heads: int = 4
    outer_blocks: int = 1
    inner_blocks: int = 6
    kernel: int = 15
    spelling_width: int = 128
    spelling_blocks: int = 2
    sample_rate: int = 16000

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


def frame_mask(lengths: Tensor, frames: Tensor | int) -> Tensor:
    """(B, T) with 1.0 where a frame belongs to its utterance."""
    steps = torch.arange(frames, device=lengths.device)
    return (steps[None, :] < lengths[:, None]).float()


class LogMel(nn.Module):
    """Waveform (B, S) in [-1, 1] to log-mels (B, T, mels), each utterance's mean taken off each band.

    The short-time Fourier transform is a convolution, so that it exports as plain ONNX.
    """

    kernels: Tensor
    bands: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        window = np.hanning(WINDOW + 1)[:-1]
        angles = 2 * np.pi * np.outer(np.arange(FFT // 2 + 1), np.arange(WINDOW)) / FFT
        kernels = np.concatenate([np.cos(angles) * window, np.sin(angles) * window])
        self.register_buffer("kernels", torch.tensor(kernels[:, None, :], dtype=torch.float32))
        mel = librosa.filters.mel(
            sr=config.sample_rate, n_fft=FFT, n_mels=config.mels, fmin=60, fmax=7600, htk=True, norm=None
        )
        self.register_buffer("bands", torch.tensor(mel.T.copy(), dtype=torch.float32))

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        spectrum = F.conv1d(waveform[:, None, :], self.kernels, stride=HOP)
        real, imaginary = spectrum.chunk(2, dim=1)
        power = (real * real + imaginary * imaginary).transpose(1, 2)
        mel = torch.log(power @ self.bands + 1e-6)
        frames = (lengths - WINDOW) // HOP + 1
        mask = frame_mask(frames, mel.shape[1])[:, :, None]
        mean = (mel * mask).sum(dim=1, keepdim=True) / mask.sum(dim=1, keepdim=True)
        return (mel - mean) * 0.35 * mask, frames


class Subsampling(nn.Module):
    """Two strided 2-D convolutions: (B, T, mels) to (B, T/4, width)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        channels = config.subsampling_channels
        self.first = nn.Conv2d(1, channels, 3, stride=2, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.project = nn.Linear(channels * (config.mels // 4), config.width)

    def forward(self, mel: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        x = F.silu(self.first(mel[:, None]))
        lengths = (lengths + 1) // 2
        x = x * frame_mask(lengths, x.shape[2])[:, None, :, None].to(x.dtype)
        x = F.silu(self.second(x))
        lengths = (lengths + 1) // 2
        x = x.permute(0, 2, 1, 3).flatten(2)
        return self.project(x), lengths


class FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.silu(self.up(self.norm(x))))


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair of halves of x (B, heads, T, D) by its position's angle."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


class Attention(nn.Module):
    """Multi-head self-attention with rotary positions; `bias` (B, 1, 1, T) hides padded frames."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.depth = heads, width // heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        shape = (x.shape[0], x.shape[1], 3, self.heads, self.depth)
        qkv = self.qkv(self.norm(x)).reshape(shape).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        scores = rotate(q * self.depth**-0.5, cos, sin) @ rotate(k, cos, sin).transpose(-1, -2)
        mixed = torch.softmax(scores + bias, dim=-1) @ v
        return self.out(mixed.transpose(1, 2).flatten(2))


class Convolution(nn.Module):
    """Gated depthwise convolution along time; `mask` (B, T, 1) keeps padding out of it."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.after = nn.LayerNorm(width)
        self.down = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        value, gate = self.up(self.norm(x)).chunk(2, dim=-1)
        x = value * torch.sigmoid(gate) * mask
        x = self.depthwise(x.transpose(1, 2)).transpose(1, 2)
        return self.down(F.silu(self.after(x)))


class Block(nn.Module):
    """One Conformer block on (B, T, width)."""

    def __init__(self, width: int, heads: int, kernel: int) -> None:
        super().__init__()
        self.before = FeedForward(width)
        self.attention = Attention(width, heads)
        self.convolution = Convolution(width, kernel)
        self.behind = FeedForward(width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, mask: Tensor, bias: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + 0.5 * self.before(x)
        x = x + self.attention(x, bias, cos, sin)
        x = x + self.convolution(x, mask)
        x = x + 0.5 * self.behind(x)
        return self.norm(x)


class Stack(nn.Module):
    """Conformer blocks at one frame rate."""

    frequencies: Tensor

    def __init__(self, width: int, heads: int, kernel: int, blocks: int) -> None:
        super().__init__()
        half = width // heads // 2
        self.register_buffer("frequencies", 10000.0 ** (-torch.arange(half, dtype=torch.float32) / half))
        self.blocks = nn.ModuleList(Block(width, heads, kernel) for _ in range(blocks))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        valid = frame_mask(lengths, x.shape[1])
        steps = torch.arange(x.shape[1], device=x.device, dtype=torch.float32)
        angles = steps[:, None] * self.frequencies[None, :]
        mask = valid[:, :, None].to(x.dtype)
        bias = ((1.0 - valid) * MASKED)[:, None, None, :].to(x.dtype)
        cos, sin = torch.cos(angles).to(x.dtype), torch.sin(angles).to(x.dtype)
        for block in self.blocks:
            x = block(x, mask, bias, cos, sin)
        return x


class Network(nn.Module):
    """Features (B, T, mels) to phone and character log-probabilities, each (B, T/4, symbols)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width, heads, kernel = config.width, config.heads, config.kernel
        self.log_mel = LogMel(config)
        self.subsampling = Subsampling(config)
        self.first = Stack(width, heads, kernel, config.outer_blocks)
        self.narrow = nn.Linear(2 * width, width)
        self.inner = Stack(width, heads, kernel, config.inner_blocks)
        self.widen = nn.Linear(width, 2 * width)
        self.last = Stack(width, heads, kernel, config.outer_blocks)
        self.phone_head = nn.Linear(width, config.phones)
        self.spelling_in = nn.Linear(config.phones, config.spelling_width)
        self.spelling = Stack(config.spelling_width, heads, kernel, config.spelling_blocks)
        self.spelling_head = nn.Linear(config.spelling_width, config.characters)

    def encode(self, mel: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Phone logits (B, T/4, phones) and the frame count of each utterance."""
        x, lengths = self.subsampling(mel, lengths)
        x = self.first(x, lengths)
        frames = x.shape[1]
        skipped = x
        x = x * frame_mask(lengths, frames)[:, :, None].to(x.dtype)
        x = torch.cat([x, torch.zeros_like(x[:, :1])], dim=1)[:, : (frames + 1) // 2 * 2]
        x = self.narrow(x.reshape(x.shape[0], -1, 2 * self.config.width))
        x = self.inner(x, (lengths + 1) // 2)
        x = self.widen(x).reshape(x.shape[0], -1, self.config.width)[:, :frames]
        x = self.last(x + skipped, lengths)
        return self.phone_head(x), lengths

    def spell(self, phone_log_probs: Tensor, lengths: Tensor) -> Tensor:
        """Character log-probabilities from nothing but phone posteriors."""
        x = self.spelling_in(phone_log_probs.exp())
        return F.log_softmax(self.spelling_head(self.spelling(x, lengths)).float(), dim=-1)

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """What is exported: waveform (B, S), lengths (B) to log_probs (B, T, tokens), frame_lengths (B)."""
        mel, frames = self.log_mel(waveform, lengths)
        phones, frames = self.encode(mel, frames)
        return self.spell(F.log_softmax(phones.float(), dim=-1), frames), frames
