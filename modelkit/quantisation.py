"""Make an 8-bit graph beside the 32-bit one: a third of the size, and less CPU time.

The weights of matrix products are stored as int8 with a scale per output channel; activations are quantised
at run time (ONNX Runtime's dynamic quantisation). Features are not quantised, because spectra span more
decades than eight bits can represent.

Weights use only seven of the eight bits: processors without VNNI instructions add two products in 16 bits,
which would overflow with eight.
"""

import tempfile
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

from modelkit.description import read_description, write_description
from speech.model_folder import GRAPHS, INT8

QUANTISED = GRAPHS[INT8]


def feature_nodes(model: onnx.ModelProto) -> set[str]:
    """Return the names of the nodes that a logarithm depends on: the feature extraction, if in the graph."""
    makers = {output: node for node in model.graph.node for output in node.output}
    waiting = [node for node in model.graph.node if node.op_type == "Log"]
    found: set[str] = set()
    while waiting:
        node = waiting.pop()
        if node.name not in found:
            found.add(node.name)
            waiting += [makers[name] for name in node.input if name in makers]
    return found


def quantise(folder: Path) -> Path:
    """Write `QUANTISED` to a model folder and list it in model.json. Returns its path."""
    target = folder / QUANTISED
    with tempfile.TemporaryDirectory() as temporary:
        folded = Path(temporary) / "folded.onnx"
        quant_pre_process(folder / "model.onnx", folded, skip_symbolic_shape=True)
        features = feature_nodes(onnx.load(folded))
        made = Path(temporary) / QUANTISED
        quantize_dynamic(
            folded,
            made,
            op_types_to_quantize=["MatMul"],
            nodes_to_exclude=sorted(features),
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
        )
        target.write_bytes(made.read_bytes())
    write_description(folder, read_description(folder))
    return target
