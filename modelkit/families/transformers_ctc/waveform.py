"""Checkpoints whose network takes the waveform: wav2vec 2.0, HuBERT and WavLM."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from modelkit.families.transformers_ctc.padded_rows import before, standardised
from modelkit.graphs.parity import Lengths, Waveforms
from modelkit.graphs.torch_export import export_ctc


@dataclass(frozen=True, slots=True)
class WaveformCheckpoint:
    """See `Checkpoint`.

    Attributes:
        network: a ForCTC class of transformers.
        extractor: a Wav2Vec2FeatureExtractor.
    """

    network: Any
    extractor: Any

    @property
    def outputs(self) -> int:
        return int(self.network.config.vocab_size)

    @property
    def sample_rate(self) -> int:
        return int(self.extractor.sampling_rate)

    @property
    def frame_stride(self) -> float:
        config = self.network.config
        adapter = config.adapter_stride**config.num_adapter_layers if _has_adapter(config) else 1
        return float(math.prod(config.conv_stride) * adapter / self.sample_rate)

    @property
    def min_samples(self) -> int:
        samples = 1
        config = self.network.config
        for kernel, stride in reversed([*zip(config.conv_kernel, config.conv_stride, strict=True)]):
            samples = (samples - 1) * stride + kernel
        return samples

    @property
    def batched(self) -> bool:
        """False if a part of the network sees the padding in spite of the attention mask: a group norm over
        time, a batch norm before the positional convolution, or an adapter's convolutions."""
        config = self.network.config
        return not (
            config.feat_extract_norm != "layer"
            or getattr(config, "conv_pos_batch_norm", False)
            or _has_adapter(config)
        )

    def pipeline(self, waveforms: Waveforms, lengths: Lengths) -> tuple[npt.NDArray[np.float32], Lengths]:
        rows = [row[:length] for row, length in zip(waveforms, lengths, strict=True)]
        inputs = self.extractor(
            rows,
            sampling_rate=self.sample_rate,
            padding=True,
            return_attention_mask=self.batched,
            return_tensors="pt",
        )
        with torch.inference_mode():
            logits = self.network(**inputs).logits
            frames = self.network._get_feat_extract_output_lengths(torch.from_numpy(lengths))
        return logits.log_softmax(-1).numpy(), frames.numpy()

    def export(self, path: Path) -> None:
        export_ctc(
            WaveformGraph(self.network, self.extractor.do_normalize, self.batched), path, self.sample_rate
        )


class WaveformGraph(nn.Module):
    """The pipeline as a module for the export.

    Args:
        normalise: bring each waveform to mean 0 and variance 1.
        masked: attention leaves padding out.
    """

    def __init__(self, network: Any, normalise: bool, masked: bool) -> None:
        super().__init__()
        self.network = network
        self.normalise = normalise
        self.masked = masked

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Take (batch, samples) and (batch,), return (batch, frames, tokens) and (batch,)."""
        if self.normalise:
            waveform = standardised(waveform[:, None, :], lengths, unbiased=False)[:, 0]
        mask = before(lengths, waveform.shape[1]).long() if self.masked else None
        logits = self.network(waveform, attention_mask=mask).logits
        frames = self.network._get_feat_extract_output_lengths(lengths)
        return logits.log_softmax(-1), frames.long()


def _has_adapter(config: Any) -> bool:
    return bool(getattr(config, "add_adapter", False))
