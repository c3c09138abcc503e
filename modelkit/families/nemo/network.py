"""A NeMo checkpoint in PyTorch: its weights, its pipeline from waveforms on, its export. Imports torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor

from modelkit.errors import SourceInvalid
from modelkit.families.nemo.config import ConformerConfig
from modelkit.families.nemo.encoder import ConformerCtc
from modelkit.families.nemo.vocabulary import Vocabulary
from modelkit.features.joining import with_features
from modelkit.features.nemo import EPSILON, NemoFeatures
from modelkit.graphs.parity import Lengths, Waveforms
from modelkit.graphs.torch_export import export_acoustic, save_graph
from modelkit.sources.pickled import load_state_dict

ENCODER: Final = "encoder."
SHARED: Final = ("encoder.pos_bias_u", "encoder.pos_bias_v")
"""Biases of all layers together: each layer of a checkpoint has them too."""

NAMED: Final = 5  # weights that a message names


@dataclass(frozen=True, slots=True)
class NemoNetwork:
    """A Conformer with its features."""

    network: ConformerCtc
    features: NemoFeatures

    @classmethod
    def load(
        cls, path: Path, head: str, shape: ConformerConfig, features: NemoFeatures, vocabulary: Vocabulary
    ) -> Self:
        """Read a model_weights.ckpt.

        Args:
            head: prefix of the CTC head's weights.

        Raises:
            WeightsUnsafe: it holds more than tensors.
            SourceInvalid: weights are missing, superfluous, of another shape, or as many outputs as tokens
                are not there.
        """
        weights = load_state_dict(path)
        network = ConformerCtc(shape, len(vocabulary.tokens)).eval()
        chosen = {name: weight for name, weight in weights.items() if name.startswith(ENCODER)}
        for name in SHARED:
            chosen.pop(name, None)
        chosen |= _head(weights, f"{head}.decoder_layers.0.", vocabulary)
        _check(network, chosen)
        network.load_state_dict(chosen)
        return cls(network, features)

    def pipeline(self, waveforms: Waveforms, lengths: Lengths) -> tuple[npt.NDArray[np.float32], Lengths]:
        """Run torch's Fourier transform and the network, row by row. See `modelkit.graphs.parity`."""
        rows = [
            self._row(torch.from_numpy(row[:length])) for row, length in zip(waveforms, lengths, strict=True)
        ]
        frames = np.array([len(row) for row in rows], np.int64)
        found = np.zeros((len(rows), int(frames.max()), rows[0].shape[1]), np.float32)
        for place, row in zip(found, rows, strict=True):
            place[: len(row)] = row
        return found, frames

    def _row(self, waveform: Tensor) -> npt.NDArray[np.float32]:
        mel = self._log_mel(waveform)[:, : len(waveform) // self.features.hop]
        if self.features.normalise:
            mel = (mel - mel.mean(dim=1, keepdim=True)) / (_deviation(mel) + EPSILON)
        with torch.inference_mode():
            log_probs, _ = self.network(mel[None], torch.tensor([mel.shape[1]]))
        found: npt.NDArray[np.float32] = log_probs[0].numpy()
        return found

    def _log_mel(self, waveform: Tensor) -> Tensor:
        settings = self.features
        if settings.preemphasis:
            rest = waveform[1:] - settings.preemphasis * waveform[:-1]
            waveform = torch.cat((waveform[:1], rest))
        spectrum = torch.stft(
            waveform,
            settings.fft,
            settings.hop,
            settings.window,
            torch.from_numpy(settings.window_values()).float(),
            center=True,
            pad_mode="constant",
            return_complex=True,
        )
        mel = torch.from_numpy(settings.mel_filters()).float() @ spectrum.abs() ** settings.power
        return torch.log(mel.clamp(min=settings.guard) if settings.clamp else mel + settings.guard)

    def export(self, path: Path) -> None:
        """Write the graph of docs/model-folder.md."""
        export_acoustic(self.network, path, self.features.mels, bands_first=True)
        acoustic = onnx.load(path)
        save_graph(with_features(self.features.graph(), acoustic), path)


def _deviation(mel: Tensor) -> Tensor:
    """Standard deviation of each band with one degree of freedom less; 0 for a single frame."""
    freedom = max(mel.shape[1] - 1, 1)
    centred = mel - mel.mean(dim=1, keepdim=True)
    return (centred.square().sum(dim=1, keepdim=True) / freedom).sqrt()


def _head(weights: Mapping[str, Tensor], prefix: str, vocabulary: Vocabulary) -> dict[str, Tensor]:
    """The head's weights, only those rows that the vocabulary names."""
    names = (f"{prefix}weight", f"{prefix}bias")
    if any(name not in weights for name in names):
        raise SourceInvalid(f"The weights have no CTC head: {names[0]} is missing.")
    weight, bias = (weights[name].float() for name in names)
    if len(bias) != vocabulary.outputs or weight.shape[0] != vocabulary.outputs:
        raise SourceInvalid(
            f"The CTC head has {len(bias)} outputs; the tokenizer has {vocabulary.outputs - 1} tokens, "
            "and one is the blank."
        )
    if vocabulary.rows is not None:
        rows = torch.tensor(vocabulary.rows)
        weight, bias = weight[rows], bias[rows]
    return {"head.weight": weight.flatten(1), "head.bias": bias}


def _check(network: ConformerCtc, weights: Mapping[str, Tensor]) -> None:
    wanted = network.state_dict()
    for said, names in (
        ("lack", wanted.keys() - weights.keys()),
        ("have the unknown", weights.keys() - wanted.keys()),
        (
            "have in another shape",
            {n for n in wanted.keys() & weights if wanted[n].shape != weights[n].shape},
        ),
    ):
        if names:
            raise SourceInvalid(f"The weights {said} {', '.join(sorted(names)[:NAMED])}.")
