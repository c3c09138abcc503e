"""The acoustic model: log-mels, Whisper's encoder, phones for every language, and spelling for Hindi.

The encoder is that of Whisper (Radford et al. 2022, arXiv:2212.04356), without padding to 30 seconds. After
its second layer, neighbouring frames are averaged, so that the other layers and the heads run at 25 frames
per second. For spelling, two Conformer blocks (Gulati et al. 2020, arXiv:2005.08100) with rotary positions
(Su et al. 2021, arXiv:2104.09864) receive the encoder's states and the phone posteriors.

Shapes: B utterances, S samples, T frames. All operations over time are masked, so an utterance gives the same
result alone and padded in a batch.
"""

from dataclasses import asdict, dataclass

import librosa
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

WINDOW, HOP = 400, 160
ENCODER = "encoder."
"""Prefix of the names of all weights that come from Whisper."""

FRAME_SAMPLES = 4 * HOP
"""Samples between two output frames."""

_MASKED = -30000.0
_DYNAMIC_RANGE = 8.0
"""Log-mels are floored at this many powers of ten below the loudest point, as in Whisper."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Everything that determines the shapes of the weights. Default: Whisper base."""

    phones: int
    characters: int
    mels: int = 80
    width: int = 512
    heads: int = 8
    layers: int = 6
    merge_after: int = 2
    positions: int = 1500
    spelling_width: int = 256
    spelling_heads: int = 4
    spelling_blocks: int = 2
    kernel: int = 15
    sample_rate: int = 16000

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


def frame_mask(lengths: Tensor, frames: Tensor | int) -> Tensor:
    """Return a mask (B, T) that is true where a frame belongs to its utterance."""
    return torch.arange(frames, device=lengths.device)[None, :] < lengths[:, None]


def _attention_bias(valid: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a bias (B, 1, 1, T) on attention scores that hides padding."""
    return ((~valid).to(dtype) * _MASKED)[:, None, None, :]


class LogMel(nn.Module):
    """Waveform (B, S) to log-mels (B, T, mels) in about -1..1, at 100 frames per second.

    As in Whisper, except that the loudest point of an utterance always gets the same value, so that features
    do not depend on the gain. The short-time Fourier transform is a convolution, which exports as plain ONNX.
    """

    kernels: Tensor
    bands: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        window = np.hanning(WINDOW + 1)[:-1]
        angles = 2 * np.pi * np.outer(np.arange(WINDOW // 2 + 1), np.arange(WINDOW)) / WINDOW
        kernels = np.concatenate([np.cos(angles) * window, -np.sin(angles) * window])
        bands = librosa.filters.mel(sr=config.sample_rate, n_fft=WINDOW, n_mels=config.mels)
        self.register_buffer("kernels", torch.tensor(kernels[:, None], dtype=torch.float32), persistent=False)
        self.register_buffer("bands", torch.tensor(bands.T.copy()), persistent=False)

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        padded = F.pad(waveform * frame_mask(lengths, waveform.shape[1]), (WINDOW // 2, WINDOW // 2))
        real, imaginary = F.conv1d(padded[:, None], self.kernels, stride=HOP).chunk(2, dim=1)
        power = ((real * real + imaginary * imaginary).transpose(1, 2) @ self.bands)[:, :-1]
        frames = lengths // HOP
        valid = frame_mask(frames, power.shape[1])[:, :, None]
        mel = torch.log10(power.clamp(min=1e-10))
        loudest = mel.masked_fill(~valid, -10.0).amax((1, 2), keepdim=True)
        mel = (torch.maximum(mel, loudest - _DYNAMIC_RANGE) - loudest + 4.8) / 4
        return mel * valid.to(mel.dtype), frames


def sinusoids(positions: int, width: int) -> Tensor:
    """Return Whisper's position embeddings, shape (positions, width): sines, then cosines.

    Rounded to float16, like the published weights.
    """
    half = width // 2
    rates = np.exp(-np.log(10000.0) / (half - 1) * np.arange(half))
    angles = np.arange(positions)[:, None] * rates[None, :]
    return torch.tensor(np.concatenate([np.sin(angles), np.cos(angles)], axis=1)).half().float()


def rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the pairs of halves of x (B, heads, T, D) by the angles of their positions."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


class Attention(nn.Module):
    """Multi-head self-attention. `bias` (B, 1, 1, T) hides padding, `rotation` adds rotary positions."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.depth = heads, width // heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, bias: Tensor, rotation: tuple[Tensor, Tensor] | None = None) -> Tensor:
        shape = (x.shape[0], x.shape[1], 3, self.heads, self.depth)
        qkv = self.qkv(x).reshape(shape).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        if rotation is not None:
            q, k = rotated(q, *rotation), rotated(k, *rotation)
        if torch.onnx.is_in_onnx_export():
            mixed = torch.softmax(q * self.depth**-0.5 @ k.transpose(-1, -2) + bias, dim=-1) @ v
        else:
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
        return self.out(mixed.transpose(1, 2).flatten(2))


class EncoderLayer(nn.Module):
    """One layer of Whisper's encoder on (B, T, width)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.feed_norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, bias: Tensor, dropout: float = 0.0) -> Tensor:
        x = x + F.dropout(self.attention(self.attention_norm(x), bias), dropout, self.training)
        return x + F.dropout(self.down(F.gelu(self.up(self.feed_norm(x)))), dropout, self.training)


def averaged_pairs(x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Average neighbouring frames: (B, T, width) to (B, (T + 1) // 2, width).

    An odd last frame of an utterance is kept unchanged.
    """
    valid = frame_mask(lengths, x.shape[1])[:, :, None]
    x = torch.cat([x * valid.to(x.dtype), torch.zeros_like(x[:, :1])], dim=1)
    pairs = x.shape[1] // 2
    x = x[:, : 2 * pairs].reshape(x.shape[0], -1, 2, x.shape[2])
    first = 2 * torch.arange(pairs, device=x.device)
    counts = (lengths[:, None] - first[None, :]).clamp(1, 2)[:, :, None]
    return x.sum(2) / counts.to(x.dtype), (lengths + 1) // 2


class Encoder(nn.Module):
    """Whisper's encoder: log-mels (B, T, mels) to states (B, T / 4, width)."""

    positions: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width = config.width
        self.merge_after = config.merge_after
        self.conv1 = nn.Conv1d(config.mels, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.register_buffer("positions", sinusoids(config.positions, width), persistent=False)
        self.layers = nn.ModuleList(EncoderLayer(width, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, mel: Tensor, lengths: Tensor, dropout: float = 0.0) -> tuple[Tensor, Tensor]:
        valid = frame_mask(lengths, mel.shape[1])[:, None].to(mel.dtype)
        x = F.gelu(self.conv1(mel.transpose(1, 2))) * valid
        x = F.gelu(self.conv2(x)).transpose(1, 2)
        lengths = (lengths + 1) // 2
        x = x + self.positions[: x.shape[1]].to(x.dtype)
        for number, layer in enumerate(self.layers):
            if number == self.merge_after:
                x, lengths = averaged_pairs(x, lengths)
            x = layer(x, _attention_bias(frame_mask(lengths, x.shape[1]), x.dtype), dropout)
        return self.norm(x), lengths


class Convolution(nn.Module):
    """Gated depthwise convolution over time. `mask` (B, T, 1) excludes padding."""

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


class SpellingBlock(nn.Module):
    """A Conformer block with one feed-forward layer, on (B, T, width)."""

    def __init__(self, width: int, heads: int, kernel: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.convolution = Convolution(width, kernel)
        self.feed_norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)
        self.norm = nn.LayerNorm(width)

    def forward(
        self, x: Tensor, mask: Tensor, bias: Tensor, rotation: tuple[Tensor, Tensor], dropout: float = 0.0
    ) -> Tensor:
        x = x + F.dropout(self.attention(self.attention_norm(x), bias, rotation), dropout, self.training)
        x = x + F.dropout(self.convolution(x, mask), dropout, self.training)
        feed = self.down(F.silu(self.up(self.feed_norm(x))))
        return self.norm(x + F.dropout(feed, dropout, self.training))


class Spelling(nn.Module):
    """Character logits (B, T, characters) from encoder states and phone logits of T frames."""

    frequencies: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width, heads = config.spelling_width, config.spelling_heads
        half = width // heads // 2
        frequencies = 10000.0 ** (-torch.arange(half, dtype=torch.float32) / half)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.states_in = nn.Linear(config.width, width)
        self.phones_in = nn.Linear(config.phones, width)
        self.blocks = nn.ModuleList(
            SpellingBlock(width, heads, config.kernel) for _ in range(config.spelling_blocks)
        )
        self.head = nn.Linear(width, config.characters)

    def forward(
        self,
        states: Tensor,
        phone_logits: Tensor,
        lengths: Tensor,
        dropout: float = 0.0,
        gate: Tensor | None = None,
    ) -> Tensor:
        """`gate` (B, 1, 1) multiplies the states: with 0, only the phones of an utterance are used."""
        x = self.states_in(states)
        if gate is not None:
            x = x * gate
        x = x + self.phones_in(phone_logits.softmax(-1).to(x.dtype))
        valid = frame_mask(lengths, x.shape[1])
        steps = torch.arange(x.shape[1], device=x.device).float()
        angles = steps[:, None] * self.frequencies[None, :]
        rotation = torch.cos(angles).to(x.dtype), torch.sin(angles).to(x.dtype)
        mask, bias = valid[:, :, None].to(x.dtype), _attention_bias(valid, x.dtype)
        for block in self.blocks:
            x = block(x, mask, bias, rotation, dropout)
        return self.head(x)


class Network(nn.Module):
    """Features (B, T, mels) to phone and character logits, each (B, T / 4, symbols)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.log_mel = LogMel(config)
        self.encoder = Encoder(config)
        self.phone_head = nn.Linear(config.width, config.phones)
        self.spelling = Spelling(config)

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The exported function: waveform (B, S), lengths (B) to log_probs (B, T, characters), frames (B)."""
        mel, frames = self.log_mel(waveform, lengths)
        states, frames = self.encoder(mel, frames)
        logits = self.spelling(states, self.phone_head(states).float(), frames)
        return F.log_softmax(logits.float(), dim=-1), frames
