"""Export a model folder to the layouts of onnx-asr and sherpa-onnx: the same weights behind other names.

Our graphs take `waveform` (batch, samples) and `lengths`, and give `log_probs` and `frame_lengths`.
"""

import json
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper
from shrutlekh_contract.model_card import CTC

from modelkit.errors import NotExportable
from speech import GRAPHS, ModelFolder

SAMPLE_RATE = 16_000
BLANK = "<blk>"
"""The name of the blank in both layouts."""

IMPOSSIBLE = -1e4
"""Log-probability of the other tokens in a frame that is surely blank."""


def export_onnx_asr(model: ModelFolder, folder: Path) -> None:
    """Write a model as a NeMo CTC model of onnx-asr, apart from its features.

    Inputs `audio_signal` (batch, samples) and `length`, output `logprobs`. onnx-asr counts
    ceil(samples / stride) frames, which for some lengths is one more than the graph gives. Therefore a frame
    is appended, and all frames from `frame_lengths` on are blank.

    Raises:
        NotExportable: the model has another sample rate or family.
    """
    _write_tokens(model, folder, "vocab.txt")
    stride = round(model.frame_stride * SAMPLE_RATE)
    card = {"model_type": "nemo-conformer-ctc", "subsampling_factor": stride}
    (folder / "config.json").write_text(json.dumps(card), encoding="utf-8")
    for path in _graphs(model):
        graph = onnx.load(path)
        _rename(graph.graph, {"waveform": "audio_signal", "lengths": "length"})
        _hide_padding(graph.graph, model.blank_id, len(model.tokens))
        _save(graph, folder / path.name)


def export_sherpa_onnx(model: ModelFolder, folder: Path) -> None:
    """Write a model as an Omnilingual CTC model of sherpa-onnx.

    One input, the waveform, and one output, the log-probabilities; the lengths are those of the waveform.

    Raises:
        NotExportable: the model has another sample rate or family.
    """
    _write_tokens(model, folder, "tokens.txt")
    for path in _graphs(model):
        graph = onnx.load(path)
        _keep(graph.graph.input, "waveform")
        _keep(graph.graph.output, "log_probs")
        lengths = [
            helper.make_node("Shape", ["waveform"], ["peer.samples"], start=1, end=2),
            helper.make_node("Shape", ["waveform"], ["peer.batch"], start=0, end=1),
            helper.make_node("Expand", ["peer.samples", "peer.batch"], ["lengths"]),
        ]
        nodes = lengths + list(graph.graph.node)
        del graph.graph.node[:]
        graph.graph.node.extend(nodes)
        _save(graph, folder / path.name)


def _graphs(model: ModelFolder) -> list[Path]:
    return [path for name in GRAPHS.values() if (path := model.path / name).is_file()]


def _write_tokens(model: ModelFolder, folder: Path, name: str) -> None:
    if model.family != CTC:
        raise NotExportable(
            f"{model.name} is of the family {model.family}; the layouts are those of CTC models."
        )
    if model.sample_rate != SAMPLE_RATE:
        raise NotExportable(
            f"onnx-asr and sherpa-onnx take {SAMPLE_RATE} Hz; {model.name} takes {model.sample_rate} Hz."
        )
    tokens = list(model.tokens)
    tokens[model.blank_id] = BLANK
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{token} {number}\n" for number, token in enumerate(tokens)]
    (folder / name).write_text("".join(lines), encoding="utf-8")


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Rename inputs of a graph."""
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = names.get(name, name)
    for value in graph.input:
        value.name = names.get(value.name, value.name)


def _keep(values: "onnx.ValueInfoProto", name: str) -> None:
    """Remove all inputs or outputs of a graph but one."""
    for value in [value for value in values if value.name != name]:
        values.remove(value)


def _hide_padding(graph: onnx.GraphProto, blank_id: int, vocabulary: int) -> None:
    """Replace the outputs by `logprobs`: `log_probs` and a frame more, blank from `frame_lengths` on."""
    blank = np.full((1, 1, vocabulary), IMPOSSIBLE, np.float32)
    blank[..., blank_id] = 0.0
    constants: dict[str, npt.NDArray[Any]] = {
        "peer.blank": blank,
        "peer.0": np.array(0, np.int64),
        "peer.1": np.array(1, np.int64),
        "peer.[1]": np.array([1], np.int64),
        "peer.[2]": np.array([2], np.int64),
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    graph.node.extend(
        [
            helper.make_node("Shape", ["log_probs"], ["peer.batch"], start=0, end=1),
            helper.make_node("Concat", ["peer.batch", "peer.[1]", "peer.[1]"], ["peer.row"], axis=0),
            helper.make_node("Expand", ["peer.blank", "peer.row"], ["peer.rows"]),
            helper.make_node("Concat", ["log_probs", "peer.rows"], ["peer.padded"], axis=1),
            helper.make_node("Shape", ["peer.padded"], ["peer.[frames]"], start=1, end=2),
            helper.make_node("Squeeze", ["peer.[frames]"], ["peer.frames"]),
            helper.make_node("Range", ["peer.0", "peer.frames", "peer.1"], ["peer.numbers"]),
            helper.make_node("Unsqueeze", ["frame_lengths", "peer.[1]"], ["peer.ends"]),
            helper.make_node("Less", ["peer.numbers", "peer.ends"], ["peer.valid"]),
            helper.make_node("Unsqueeze", ["peer.valid", "peer.[2]"], ["peer.mask"]),
            helper.make_node("Where", ["peer.mask", "peer.padded", "peer.blank"], ["logprobs"]),
        ]
    )
    _keep(graph.output, "log_probs")
    graph.output[0].name = "logprobs"
    graph.output[0].type.tensor_type.shape.dim[1].dim_param = "padded_frames"


def _save(model: onnx.ModelProto, path: Path) -> None:
    onnx.checker.check_model(model)
    onnx.save(model, path)


class Layout(StrEnum):
    """Programs whose layouts can be written."""

    ONNX_ASR = "onnx-asr"
    SHERPA_ONNX = "sherpa-onnx"


EXPORTS: Final = {Layout.ONNX_ASR: export_onnx_asr, Layout.SHERPA_ONNX: export_sherpa_onnx}
