"""The Conformer encoder of NeMo with a CTC head, in PyTorch, for its checkpoints.

Modules and parameters are named as in a checkpoint. The definitions are those of Gulati et al., Conformer
(arXiv:2005.08100), with the relative positions of Dai et al., Transformer-XL (arXiv:1901.02860), and of
Rekesh et al., Fast Conformer (arXiv:2305.05084). This module imports torch.
"""

import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from modelkit.families.nemo.config import ConformerConfig

HIDDEN: Final = -10_000.0
"""Score of a frame that attention must not see, as in NeMo: nothing is left of it after the softmax."""


def frame_mask(lengths: Tensor, frames: int) -> Tensor:
    """Which frames are valid, shape (batch, frames)."""
    return torch.arange(frames, device=lengths.device)[None] < lengths[:, None]


class Subsampling(nn.Module):
    """Convolutions of stride 2, then a projection: (batch, frames, bands) to (batch, frames', width).

    `dw_striding` separates all but the first into a depthwise and a pointwise convolution.
    """

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        channels = config.subsampling_channels
        layers: list[nn.Module] = [nn.Conv2d(1, channels, 3, stride=2, padding=1), nn.ReLU()]
        for _ in range(config.halvings - 1):
            if config.depthwise:
                layers.append(nn.Conv2d(channels, channels, 3, stride=2, padding=1, groups=channels))
                layers.append(nn.Conv2d(channels, channels, 1))
            else:
                layers.append(nn.Conv2d(channels, channels, 3, stride=2, padding=1))
            layers.append(nn.ReLU())
        self.conv = nn.ModuleList(layers)
        bands = config.bands
        for _ in range(config.halvings):
            bands = (bands + 1) // 2
        self.out = nn.Linear(channels * bands, config.width)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        x = features[:, None]
        for layer in self.conv:
            x = layer(x)
            if isinstance(layer, nn.Conv2d) and layer.stride[0] == 2:
                lengths = (lengths + 1) // 2
            elif isinstance(layer, nn.ReLU):
                x = x * frame_mask(lengths, x.shape[2])[:, None, :, None].to(x.dtype)
        return self.out(x.transpose(1, 2).flatten(2)), lengths


class FeedForward(nn.Module):
    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        self.linear1 = nn.Linear(config.width, config.inner_width, bias=config.bias)
        self.linear2 = nn.Linear(config.inner_width, config.width, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear2(F.silu(self.linear1(x)))


class Convolution(nn.Module):
    """Gated pointwise, depthwise and pointwise convolution."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        width, kernel = config.width, config.kernel
        self.pointwise_conv1 = nn.Conv1d(width, 2 * width, 1, bias=config.bias)
        self.depthwise_conv = nn.Conv1d(
            width, width, kernel, padding=kernel // 2, groups=width, bias=config.bias
        )
        self.batch_norm = nn.LayerNorm(width) if config.layer_norm else nn.BatchNorm1d(width)
        self.pointwise_conv2 = nn.Conv1d(width, width, 1, bias=config.bias)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        x = F.glu(self.pointwise_conv1(x.transpose(1, 2)), dim=1) * valid[:, None].to(x.dtype)
        x = self.depthwise_conv(x)
        if isinstance(self.batch_norm, nn.LayerNorm):
            x = self.batch_norm(x.transpose(1, 2)).transpose(1, 2)
        else:
            x = self.batch_norm(x)
        return self.pointwise_conv2(F.silu(x)).transpose(1, 2)


class Attention(nn.Module):
    """Self-attention with relative positions."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        width, self.heads = config.width, config.heads
        self.depth = width // self.heads
        self.linear_q = nn.Linear(width, width, bias=config.bias)
        self.linear_k = nn.Linear(width, width, bias=config.bias)
        self.linear_v = nn.Linear(width, width, bias=config.bias)
        self.linear_out = nn.Linear(width, width, bias=config.bias)
        self.linear_pos = nn.Linear(width, width, bias=False)
        self.pos_bias_u = nn.Parameter(torch.zeros(self.heads, self.depth))
        self.pos_bias_v = nn.Parameter(torch.zeros(self.heads, self.depth))

    def forward(self, x: Tensor, valid: Tensor, positions: Tensor) -> Tensor:
        """Attend to the valid frames. `positions` (1, 2 * frames - 1, width): from far ahead to far back."""
        batch, frames, width = x.shape
        query = self.linear_q(x).view(batch, frames, self.heads, self.depth)
        key = self._heads_first(self.linear_k(x))
        value = self._heads_first(self.linear_v(x))
        by_content = (query + self.pos_bias_u).transpose(1, 2) @ key.transpose(2, 3)
        by_position = (query + self.pos_bias_v).transpose(1, 2) @ self._heads_first(
            self.linear_pos(positions)
        ).transpose(2, 3)
        scores = (by_content + _aligned(by_position)) / math.sqrt(self.depth)
        hidden = ~valid[:, None, None]
        weights = scores.masked_fill(hidden, HIDDEN).softmax(dim=-1)
        return self.linear_out((weights @ value).transpose(1, 2).reshape(batch, frames, width))

    def _heads_first(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], -1, self.heads, self.depth).transpose(1, 2)


def _aligned(scores: Tensor) -> Tensor:
    """From scores by distance (batch, heads, frames, 2 * frames - 1) to scores by key (..., frames).

    Row i wants the distances i, i - 1, ... i - frames + 1, which begin at frames - 1 - i. Read with one more
    column, and the first row dropped, each row begins one further left than the one before.
    """
    batch, heads, frames, distances = scores.shape
    padded = F.pad(scores, (1, 0)).view(batch, heads, distances + 1, frames)
    return padded[:, :, 1:].reshape(batch, heads, frames, distances)[..., :frames]


class Layer(nn.Module):
    """A Conformer block."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        self.norm_feed_forward1 = nn.LayerNorm(config.width)
        self.feed_forward1 = FeedForward(config)
        self.norm_self_att = nn.LayerNorm(config.width)
        self.self_attn = Attention(config)
        self.norm_conv = nn.LayerNorm(config.width)
        self.conv = Convolution(config)
        self.norm_feed_forward2 = nn.LayerNorm(config.width)
        self.feed_forward2 = FeedForward(config)
        self.norm_out = nn.LayerNorm(config.width)

    def forward(self, x: Tensor, valid: Tensor, positions: Tensor) -> Tensor:
        x = x + 0.5 * self.feed_forward1(self.norm_feed_forward1(x))
        x = x + self.self_attn(self.norm_self_att(x), valid, positions)
        x = x + self.conv(self.norm_conv(x), valid)
        x = x + 0.5 * self.feed_forward2(self.norm_feed_forward2(x))
        return self.norm_out(x)


class Encoder(nn.Module):
    """Features (batch, frames, bands) to states (batch, frames', width). No row depends on the others."""

    def __init__(self, config: ConformerConfig) -> None:
        super().__init__()
        self.width = config.width
        self.scale = math.sqrt(config.width) if config.scaled else 1.0
        self.pre_encode = Subsampling(config)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        x, lengths = self.pre_encode(features, lengths)
        x = x * self.scale
        valid = frame_mask(lengths, x.shape[1])
        positions = self._positions(x.shape[1])
        for layer in self.layers:
            x = layer(x, valid, positions)
        return x, lengths

    def _positions(self, frames: int) -> Tensor:
        """Sinusoids of the distances frames - 1 to 1 - frames, shape (1, 2 * frames - 1, width)."""
        distances = torch.arange(frames - 1, -frames, -1)[:, None].float()
        rates = torch.exp(torch.arange(0, self.width, 2).float() * (-math.log(10_000.0) / self.width))
        angles = distances * rates
        return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[None]


class ConformerCtc(nn.Module):
    """Features (batch, bands, frames) and lengths to log-probabilities (batch, frames', tokens), lengths."""

    def __init__(self, config: ConformerConfig, tokens: int) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.head = nn.Linear(config.width, tokens)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        states, lengths = self.encoder(features.transpose(1, 2), lengths)
        return self.head(states).log_softmax(dim=-1), lengths
