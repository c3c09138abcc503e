"""From a PyTorch module to a CTC graph of the interface in docs/model-folder.md."""

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import onnx

if TYPE_CHECKING:
    from torch import Tensor, nn

OPSET: Final = 17
MOST_IN_ONE_FILE: Final = 2_000_000_000
"""Bytes of weights up to which a graph is one file. Protobuf allows 2 GiB."""


def export_ctc(module: "nn.Module", path: Path, sample_rate: int = 16_000) -> None:
    """Write `module(waveform, lengths) -> log_probs, frame_lengths` as ONNX.

    The TorchScript exporter is used: it needs no further package and keeps one graph for all lengths.

    Args:
        module: waveform (batch, samples) float32, lengths (batch,) int64; log_probs (batch, frames, tokens).
    """
    import torch

    waveform = torch.randn(2, 2 * sample_rate, generator=torch.Generator().manual_seed(0)) * 0.1
    lengths = torch.tensor([2 * sample_rate, sample_rate + 1234])
    _export(module, path, {"waveform": waveform, "lengths": lengths}, {0: "batch", 1: "samples"})


def export_acoustic(module: "nn.Module", path: Path, bands: int, *, bands_first: bool = False) -> None:
    """Write `module(features, feature_lengths) -> log_probs, frame_lengths` as ONNX, for
    `modelkit.features.joining`.

    Args:
        module: features (batch, feature_frames, bands) float32, feature_lengths (batch,) int64; log_probs
            (batch, frames, tokens).
        bands_first: features are (batch, bands, feature_frames).
    """
    import torch

    features = torch.randn(2, 201, bands, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([201, 124])
    inputs = {"features": features.transpose(1, 2) if bands_first else features, "feature_lengths": lengths}
    _export(module, path, inputs, {0: "batch", 2 if bands_first else 1: "feature_frames"})


def save_graph(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph, with its weights beside it in `<path>.data` if one file cannot hold them."""
    size = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    if size <= MOST_IN_ONE_FILE:
        onnx.save(model, path)
        return
    data = path.with_name(f"{path.name}.data")
    data.unlink(missing_ok=True)  # onnx appends
    onnx.save(model, path, save_as_external_data=True, location=data.name)


def _export(module: "nn.Module", path: Path, inputs: dict[str, "Tensor"], axes: dict[int, str]) -> None:
    import torch

    first, second = inputs
    with TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
        exported = Path(folder) / "exported.onnx"  # above 2 GiB, the exporter writes a file for each weight
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module.eval(),
                tuple(inputs.values()),
                str(exported),
                input_names=[first, second],
                output_names=["log_probs", "frame_lengths"],
                dynamic_axes={
                    first: axes,
                    second: {0: "batch"},
                    "log_probs": {0: "batch", 1: "frames"},
                    "frame_lengths": {0: "batch"},
                },
                opset_version=OPSET,
                dynamo=False,
            )
        model = onnx.load(exported)
    model.producer_version = ""
    model.doc_string = ""
    for node in model.graph.node:  # the exporter's notes contain paths of this machine
        node.doc_string = ""
    save_graph(model, path)
    onnx.checker.check_model(path)
