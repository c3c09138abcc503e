"""Checkpoints whose network takes log-mel features: w2v-BERT 2.0."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.wav2vec2_bert import modeling_wav2vec2_bert

from modelkit.errors import SourceInvalid
from modelkit.families.transformers_ctc.padded_rows import before, standardised
from modelkit.features.joining import with_features
from modelkit.features.kaldi import FilterBank, kaldi_features
from modelkit.graphs.parity import Lengths, Waveforms
from modelkit.graphs.torch_export import export_acoustic

STACKED: Final = 2  # frames of 10 ms that become one


@dataclass(frozen=True, slots=True)
class MelCheckpoint:
    """See `Checkpoint`.

    Attributes:
        network: a Wav2Vec2BertForCTC.
        extractor: a SeamlessM4TFeatureExtractor.
    """

    network: Any
    extractor: Any

    def __post_init__(self) -> None:
        bands, wanted = self.extractor.num_mel_bins, self.network.config.feature_projection_input_dim
        if self.extractor.stride != STACKED or STACKED * bands != wanted:
            raise SourceInvalid(
                f"The extractor stacks {self.extractor.stride} frames of {bands} mel bands; "
                f"this network needs {STACKED} frames and {wanted} numbers."
            )

    @property
    def features(self) -> FilterBank:
        """Settings of SeamlessM4TFeatureExtractor, whose frames are 400 samples at any sample rate."""
        rate = self.sample_rate
        return FilterBank(
            sample_rate=rate,
            mels=self.extractor.num_mel_bins,
            frame_seconds=400 / rate,
            shift_seconds=160 / rate,
            scale=2.0**15,
        )

    @property
    def outputs(self) -> int:
        return int(self.network.config.vocab_size)

    @property
    def sample_rate(self) -> int:
        return int(self.extractor.sampling_rate)

    @property
    def frame_stride(self) -> float:
        config = self.network.config
        adapter = config.adapter_stride**config.num_adapter_layers if config.add_adapter else 1
        return float(self.features.shift * STACKED * adapter / self.sample_rate)

    @property
    def min_samples(self) -> int:
        return self.features.frame + self.features.shift  # the variance of one frame is not defined

    @property
    def batched(self) -> bool:
        """False with an adapter: its convolutions see the padding."""
        return not self.network.config.add_adapter

    def pipeline(self, waveforms: Waveforms, lengths: Lengths) -> tuple[npt.NDArray[np.float32], Lengths]:
        rows = [row[:length] for row, length in zip(waveforms, lengths, strict=True)]
        inputs = self.extractor(rows, sampling_rate=self.sample_rate, return_tensors="pt")
        with torch.inference_mode():
            logits = self.network(**inputs).logits
            frames = 1 + (torch.from_numpy(lengths) - self.features.frame) // self.features.shift
            frames = self.network._get_feat_extract_output_lengths(stacked(frames))
        return logits.log_softmax(-1).numpy(), frames.numpy()

    def export(self, path: Path) -> None:
        with position_scores_of_queries():
            export_acoustic(MelGraph(self.network), path, self.extractor.num_mel_bins)
        acoustic = onnx.load(path, load_external_data=False)
        onnx.save(with_features(kaldi_features(self.features), acoustic), path)
        onnx.checker.check_model(path)


class MelGraph(nn.Module):
    """Normalisation, stacking and the network as a module for the export."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor, feature_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise each mel band over the utterance, stack pairs of frames, run the network.

        The last frame of an odd number is stacked with padding and masked, but has an output, as in the
        original.

        Args:
            features: (batch, frames, mels).
            feature_lengths: (batch,).

        Returns:
            Log-probabilities (batch, output frames, tokens) and numbers of output frames (batch,).
        """
        normalised = standardised(features.transpose(1, 2), feature_lengths, unbiased=True).transpose(1, 2)
        pairs = stacked(features.shape[1])
        padded = functional.pad(normalised, (0, 0, 0, 1))[:, : STACKED * pairs]
        inputs = padded.reshape(features.shape[0], pairs, STACKED * features.shape[2])
        whole = before(feature_lengths // STACKED, pairs).long()
        logits = self.network(inputs, attention_mask=whole).logits
        frames = self.network._get_feat_extract_output_lengths(stacked(feature_lengths))
        return logits.log_softmax(-1), frames.long()


def stacked(frames: Any) -> Any:
    """Return the number of stacked frames, of which the last may be incomplete."""
    return (frames + STACKED - 1) // STACKED


@contextmanager
def position_scores_of_queries() -> Iterator[None]:
    """Replace transformers' relative position scores by an equal computation that needs less memory.

    Transformers looks up a position's embedding for each pair of frames: (frames, frames, channels), 256 MB
    in every layer for 20 s. The replacement scores each query against each position first, (frames,
    positions), and looks up the scores.
    """
    own = modeling_wav2vec2_bert._apply_relative_key_position_encoding
    modeling_wav2vec2_bert._apply_relative_key_position_encoding = _relative_key_bias
    try:
        yield
    finally:
        modeling_wav2vec2_bert._apply_relative_key_position_encoding = own


def _relative_key_bias(module: Any, query: Tensor, _key: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the position bias of attention; arguments and results as transformers' function has them.

    Args:
        query: (batch, heads, frames, channels).

    Returns:
        The query, and the bias (batch, heads, frames, frames).
    """
    left, right = module.left_max_position_embeddings, module.right_max_position_embeddings
    batch, heads, frames, _ = query.shape
    scores = torch.matmul(query, module.distance_embedding.weight.T)
    scores = scores.permute(2, 3, 0, 1).reshape(frames * (left + right + 1), batch * heads)
    steps = torch.arange(frames)
    distances = torch.clamp(steps[None, :] - steps[:, None], -left, right) + left
    bias = functional.embedding(distances + steps[:, None] * (left + right + 1), scores)
    bias = bias.permute(2, 0, 1).reshape(batch, heads, frames, frames)
    return query, bias * module.scaling
