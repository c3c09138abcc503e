"""Join a graph of features and an acoustic graph to one that takes waveforms."""

from collections.abc import Container, Iterable
from typing import Final

import onnx
from onnx import TensorProto, compose, helper, version_converter
from onnx.external_data_helper import uses_external_data

from modelkit.errors import SourceInvalid

INPUTS: Final = ("waveform", "lengths")
"""What both the features and the joined graph take."""

_ACOUSTIC, _FEATURES = "acoustic/", "features/"
_MOST_CHECKED: Final = 2_000_000_000  # bytes of weights; protobuf serialises 2 GiB
_STANDARD_DOMAINS: Final = ("", "ai.onnx")


def with_features(
    features: onnx.ModelProto,
    acoustic: onnx.ModelProto,
    *,
    features_input: str = "features",
    lengths_input: str | None = "feature_lengths",
    scores: str = "log_probs",
    frame_lengths: str | int = "frame_lengths",
    log_softmax: bool = False,
) -> onnx.ModelProto:
    """Put features before an acoustic graph and give the result the interface of docs/model-folder.md.

    Args:
        features: takes `waveform` and `lengths`, gives `features` (batch, bands, frames) and
            `feature_lengths`. It is brought to the other's operator set.
        acoustic: is changed in place and returned, because it may fill half of the memory. Tensors in
            external files stay there.
        features_input, lengths_input: names of the acoustic graph's inputs; None if it takes no lengths.
        scores: name of its output (batch, frames, tokens).
        frame_lengths: name of its output of valid frames, or how many frames of features become one: a
            started frame counts.
        log_softmax: the scores are no log-probabilities yet.

    Raises:
        SourceInvalid: the acoustic graph has no such input or output, needs further inputs, or its operator
            set cannot be joined with the features'.
    """
    inputs = _by_name(acoustic.graph.input, {tensor.name for tensor in acoustic.graph.initializer})
    outputs = _by_name(acoustic.graph.output)
    wanted_inputs = {features_input} if lengths_input is None else {features_input, lengths_input}
    wanted_outputs = {scores} if isinstance(frame_lengths, int) else {scores, frame_lengths}
    if set(inputs) != wanted_inputs or not wanted_outputs <= set(outputs):
        raise SourceInvalid(
            f"The acoustic graph must take {sorted(wanted_inputs)} and give {sorted(wanted_outputs)}; "
            f"it takes {sorted(inputs)} and gives {sorted(outputs)}."
        )
    features = _at_opset(features, acoustic)
    features = compose.add_prefix(features, _FEATURES, rename_inputs=False)
    compose.add_prefix(acoustic, _ACOUSTIC, inplace=True)

    graph = acoustic.graph
    before = [*features.graph.node]
    before.append(_cast(_FEATURES + "features", _ACOUSTIC + features_input, inputs[features_input]))
    if lengths_input is not None:
        before.append(_cast(_FEATURES + "feature_lengths", _ACOUSTIC + lengths_input, inputs[lengths_input]))
    for position, node in enumerate(before):
        graph.node.insert(position, node)
    graph.initializer.extend(features.graph.initializer)
    _add_outputs(graph, scores, frame_lengths, log_softmax)

    tokens = _last_dimension(outputs[scores])
    kept = [value for value in graph.input if value.name in {tensor.name for tensor in graph.initializer}]
    del graph.input[:], graph.output[:], graph.value_info[:]
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
            value("log_probs", TensorProto.FLOAT, ["batch", "frames", tokens]),
            value("frame_lengths", TensorProto.INT64, ["batch"]),
        ]
    )
    acoustic.ir_version = max(acoustic.ir_version, features.ir_version)
    if _is_checkable(acoustic):
        onnx.checker.check_model(acoustic)
    return acoustic


def _add_outputs(graph: onnx.GraphProto, scores: str, frame_lengths: str | int, log_softmax: bool) -> None:
    node = helper.make_node
    if log_softmax:
        graph.node.append(node("LogSoftmax", [_ACOUSTIC + scores], ["joined/log_probs"], axis=-1))
    graph.node.append(
        node(
            "Cast",
            ["joined/log_probs" if log_softmax else _ACOUSTIC + scores],
            ["log_probs"],
            to=TensorProto.FLOAT,
        )
    )
    if isinstance(frame_lengths, str):
        counts = _ACOUSTIC + frame_lengths
    else:
        counts = "joined/frame_lengths"
        graph.initializer.append(
            helper.make_tensor("joined/rest", TensorProto.INT64, [1], [frame_lengths - 1])
        )
        graph.initializer.append(helper.make_tensor("joined/ratio", TensorProto.INT64, [1], [frame_lengths]))
        graph.node.append(node("Add", [_FEATURES + "feature_lengths", "joined/rest"], ["joined/started"]))
        graph.node.append(node("Div", ["joined/started", "joined/ratio"], [counts]))
    graph.node.append(node("Cast", [counts], ["frame_lengths"], to=TensorProto.INT64))


def _is_checkable(model: onnx.ModelProto) -> bool:
    """Whether the checker can check the graph in memory: it needs all weights, and protobuf has a limit."""
    weights = model.graph.initializer
    return (
        not any(uses_external_data(tensor) for tensor in weights)
        and sum(len(tensor.raw_data) for tensor in weights) < _MOST_CHECKED
    )


def _at_opset(features: onnx.ModelProto, acoustic: onnx.ModelProto) -> onnx.ModelProto:
    """Return the features at the acoustic graph's operator set. They are the smaller graph, and known."""
    wanted = _opset(acoustic)
    if _opset(features) == wanted:
        return features
    try:
        converted = version_converter.convert_version(features, wanted)
        onnx.checker.check_model(converted)
    except Exception as error:  # the converter's exceptions are of many kinds
        raise SourceInvalid(
            f"The acoustic graph has the ONNX operator set {wanted}; the features need at least "
            f"{_opset(features)}. Export it with a newer operator set."
        ) from error
    return converted


def _opset(model: onnx.ModelProto) -> int:
    version: int = max(entry.version for entry in model.opset_import if entry.domain in _STANDARD_DOMAINS)
    return version


def _by_name(
    values: Iterable[onnx.ValueInfoProto], besides: Container[str] = ()
) -> dict[str, onnx.ValueInfoProto]:
    """Values by name. Copies, because the graph's own are about to be renamed."""
    found = {}
    for value in values:
        if value.name not in besides:
            found[value.name] = onnx.ValueInfoProto()
            found[value.name].CopyFrom(value)
    return found


def _cast(source: str, target: str, value: onnx.ValueInfoProto) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], to=value.type.tensor_type.elem_type)


def _last_dimension(value: onnx.ValueInfoProto) -> int | str:
    dimensions = value.type.tensor_type.shape.dim
    return (dimensions[-1].dim_value if dimensions else 0) or "tokens"
