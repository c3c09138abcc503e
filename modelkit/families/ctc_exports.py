"""From an exported CTC graph, whatever its inputs, to the interface of docs/model-folder.md."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import onnx
from onnx import TensorProto, compose, helper

from modelkit.errors import FamilyUnsupported
from modelkit.features.graph_builder import GraphBuilder

PREFIX: Final = "model/"
"""Put before the names of the exported graph, so that they differ from those of the interface."""

FLOATS: Final = (TensorProto.FLOAT,)
INTEGERS: Final = (TensorProto.INT64, TensorProto.INT32)
VARIANCE_FLOOR: Final = 1e-5
"""Added to the variance of a waveform that is scaled, as sherpa-onnx does."""

MELS: Final = (64, 80, 128)
"""Numbers of mel bins by which the axis of the features is told from that of time."""


class Input(StrEnum):
    """What an exported graph takes."""

    WAVEFORM = "waveform"
    MELS_FIRST = "log-mels, mels before frames"  # as NeMo
    MELS_LAST = "log-mels, frames before mels"  # as Kaldi


@dataclass(frozen=True, slots=True)
class Signature:
    """Inputs and outputs of an exported graph.

    Attributes:
        samples: name of the input with waveforms or features.
        lengths: name of the input with their lengths; None if it has none.
        log_probs: name of the output, shape (batch, frames, tokens).
        frames: name of the output with the valid frames; None if it has none.
        tokens: size of the vocabulary, if the graph says it.
    """

    kind: Input
    mels: int
    samples: str
    lengths: str | None
    lengths_type: int
    log_probs: str
    frames: str | None
    tokens: int | None

    @classmethod
    def of(cls, model: onnx.ModelProto) -> "Signature":
        """Read it from a graph.

        Raises:
            FamilyUnsupported: the graph is not that of an offline CTC model.
        """
        initialised = {initializer.name for initializer in model.graph.initializer}
        inputs = [value for value in model.graph.input if value.name not in initialised]
        samples = _of(inputs, FLOATS, (2, 3))
        lengths = _of(inputs, INTEGERS, (1,))
        outputs = _of(model.graph.output, FLOATS, (3,))
        frames = _of(model.graph.output, INTEGERS, (1,))
        if len(samples) != 1 or len(lengths) > 1 or len(inputs) != 1 + len(lengths) or len(outputs) != 1:
            names = ", ".join(value.name for value in inputs)
            raise FamilyUnsupported(
                f"The graph has the inputs {names}. A CTC model that is not streaming has one input of "
                "waveforms or features, perhaps their lengths, and one output of log-probabilities."
            )
        kind, mels = _kind(_shape(samples[0]))
        return cls(
            kind,
            mels,
            samples[0].name,
            lengths[0].name if lengths else None,
            _type(lengths[0]) if lengths else TensorProto.INT64,
            outputs[0].name,
            frames[0].name if frames else None,
            _shape(outputs[0])[2],
        )


def _of(values: Iterable[onnx.ValueInfoProto], types: Sequence[int], axes: Sequence[int]) -> list[Any]:
    """The values of these types and numbers of axes."""
    return [value for value in values if _type(value) in types and len(_shape(value)) in axes]


def _type(value: onnx.ValueInfoProto) -> int:
    return int(value.type.tensor_type.elem_type)


def _shape(value: onnx.ValueInfoProto) -> list[int | None]:
    """Sizes of the axes; None for those that vary."""
    dims = value.type.tensor_type.shape.dim
    return [int(dim.dim_value) if dim.HasField("dim_value") else None for dim in dims]


def _kind(shape: Sequence[int | None]) -> tuple[Input, int]:
    if len(shape) == 2:
        return Input.WAVEFORM, 0
    if shape[1] in MELS:
        return Input.MELS_FIRST, int(shape[1] or 0)
    if shape[2] in MELS:
        return Input.MELS_LAST, int(shape[2] or 0)
    raise FamilyUnsupported(
        f"The features of the graph have the shape {shape}, which names no number of mels."
    )


def is_quantised(model: onnx.ModelProto) -> bool:
    """Tell whether a graph scales its activations by the whole input."""
    kinds = ("DynamicQuantize", "MatMulInteger", "ConvInteger")
    return any(node.op_type.startswith(kinds) for node in model.graph.node)


def with_waveforms(
    model: onnx.ModelProto, signature: Signature, factor: int | None, *, scales: bool
) -> onnx.ModelProto:
    """Give a graph that takes waveforms the interface of docs/model-folder.md.

    Args:
        model: is changed in place and returned.
        factor: samples for each output frame, where no output tells the valid frames. None: all frames are
            valid, as for a waveform alone.
        scales: whether to scale each waveform to a mean of zero and a variance of one first.
    """
    compose.add_prefix(model, PREFIX, inplace=True)
    builder = GraphBuilder()
    samples = _scaled(builder) if scales else "waveform"
    builder.add("Identity", samples, output=PREFIX + signature.samples)
    if signature.lengths is not None:
        builder.add("Cast", "lengths", output=PREFIX + signature.lengths, to=signature.lengths_type)
    head = len(builder.nodes)
    # The logarithm of a softmax stays as it is, so this suits scores and log-probabilities.
    builder.add("LogSoftmax", PREFIX + signature.log_probs, output="log_probs", axis=-1)
    builder.add("Identity", _frame_lengths(builder, signature, factor), output="frame_lengths")

    graph = model.graph
    for position, node in enumerate(builder.nodes[:head]):
        graph.node.insert(position, node)
    graph.node.extend(builder.nodes[head:])
    graph.initializer.extend(builder.constants)
    initialised = {tensor.name for tensor in graph.initializer}
    kept = [value for value in graph.input if value.name in initialised]
    del graph.input[:], graph.output[:], graph.value_info[:], model.metadata_props[:]
    value = helper.make_tensor_value_info
    graph.input.extend(
        [
            value("waveform", TensorProto.FLOAT, ["batch", "samples"]),
            value("lengths", TensorProto.INT64, ["batch"]),
            *kept,
        ]
    )
    graph.output.extend(
        [
            value("log_probs", TensorProto.FLOAT, ["batch", "frames", signature.tokens or "tokens"]),
            value("frame_lengths", TensorProto.INT64, ["batch"]),
        ]
    )
    return model


def _scaled(builder: GraphBuilder) -> str:
    """Scale each waveform, padding included, to a mean of zero and a variance of one."""
    axis = builder.int64(1)
    samples = builder.add("Gather", builder.add("Shape", "waveform"), axis)
    count = builder.add("Cast", samples, to=TensorProto.FLOAT)
    mean = builder.add("Div", builder.add("ReduceSum", "waveform", axis), count)
    centred = builder.add("Sub", "waveform", mean)
    squares = builder.add("ReduceSum", builder.add("Mul", centred, centred), axis)
    variance = builder.add("Add", builder.add("Div", squares, count), builder.float32(VARIANCE_FLOOR))
    return builder.add("Div", centred, builder.add("Sqrt", variance))


def _frame_lengths(builder: GraphBuilder, signature: Signature, factor: int | None) -> str:
    shape = builder.add("Shape", "log_probs")
    batch, frames = (builder.add("Gather", shape, builder.int64(axis)) for axis in (0, 1))
    every = builder.add("Expand", frames, batch)
    if signature.frames is not None:
        valid = builder.add("Cast", PREFIX + signature.frames, to=TensorProto.INT64)
    elif factor is not None:
        one = builder.int64(1)
        whole = builder.add("Div", builder.add("Sub", "lengths", one), builder.int64(factor))
        valid = builder.add("Add", whole, one)
    else:
        return every
    return builder.add("Min", valid, every)
