"""Smaller graphs beside the 32-bit one: 8-bit weights for processors, 16-bit numbers for GPUs.

8 bits: a third of the size, and less CPU time. The weights of matrix products are stored as int8 with a scale
per output channel; activations are quantised at run time (ONNX Runtime's dynamic quantisation).

Features are left as they are, because spectra span more decades than eight bits, or than the exponents of
float16, can represent.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16
from shrutlekh_contract.model_card import FLOAT16, INT8

from modelkit.description import read_description, write_description
from speech import GRAPHS

QUANTISED = GRAPHS[INT8]
HALVED = GRAPHS[FLOAT16]


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


def quantise(folder: Path, *, eight_bits: bool = False) -> Path:
    """Write `QUANTISED` to a model folder and list it in model.json. Returns its path.

    Args:
        eight_bits: use all bits for the weights. Processors without VNNI instructions add two products in 16
            bits, which then can overflow; with seven bits, the default, they cannot.
    """

    def make(folded: Path, made: Path) -> None:
        quantize_dynamic(
            folded,
            made,
            op_types_to_quantize=["MatMul"],
            nodes_to_exclude=sorted(feature_nodes(onnx.load(folded))),
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=not eight_bits,
        )

    return _write(folder, QUANTISED, make)


def halve(folder: Path) -> Path:
    """Write `HALVED` to a model folder, with inputs and outputs in float32, and list it in model.json.

    Returns its path. Processors compute in float16 no faster; GPUs do.
    """

    def make(folded: Path, made: Path) -> None:
        model = onnx.load(folded)
        blocked = sorted(feature_nodes(model))
        onnx.save(convert_float_to_float16(model, keep_io_types=True, node_block_list=blocked), made)

    return _write(folder, HALVED, make)


def _write(folder: Path, name: str, make: Callable[[Path, Path], None]) -> Path:
    target = folder / name
    with tempfile.TemporaryDirectory() as temporary:
        folded, made = Path(temporary) / "folded.onnx", Path(temporary) / name
        quant_pre_process(folder / "model.onnx", folded, skip_symbolic_shape=True)
        make(folded, made)
        target.write_bytes(made.read_bytes())
    write_description(folder, read_description(folder))
    return target
