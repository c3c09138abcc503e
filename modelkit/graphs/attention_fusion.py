"""Fuse self-attention that was exported as single operators into ONNX Runtime's MultiHeadAttention.

ONNX Runtime's own fusions do not recognise it: queries, keys and values come from one product, which is
reshaped to (batch, time, 3, heads, depth) and split, and a bias computed from the lengths hides padding.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

_DOMAIN = "com.microsoft"
_HEADS_FIRST = [0, 2, 1, 3]
_PICKS = {"Transpose", "Squeeze", "Gather", "Split"}
_BIAS_STEPS = {"Unsqueeze", "Mul", "Cast", "Not"}


@dataclass(frozen=True, slots=True)
class _Attention:
    """A match: `packed` (batch, time, 3 * heads * depth) in, the outputs of `last` out."""

    packed: str
    lengths: str
    heads: int
    scale: float
    last: NodeProto


def fuse_attention(model: onnx.ModelProto) -> int:
    """Replace each attention that matches by MultiHeadAttention, in place. Returns how many there were.

    Attention with rotary positions does not match.
    """
    graph = _Graph(model)
    found = [match for node in model.graph.node if (match := graph.attention(node)) is not None]
    for number, match in enumerate(found):
        name = f"attention_{number}"
        parts = [f"{name}_{part}" for part in ("queries", "keys", "values")]
        position = list(model.graph.node).index(match.last)
        model.graph.node.remove(match.last)
        for offset, node in enumerate(
            [
                helper.make_node("Split", [match.packed], parts, name=f"{name}_split", axis=2),
                helper.make_node(
                    "Cast", [match.lengths], [f"{name}_lengths"], name=f"{name}_cast", to=TensorProto.INT32
                ),
                helper.make_node(
                    "MultiHeadAttention",
                    [*parts, "", f"{name}_lengths"],
                    [match.last.output[0]],
                    name=name,
                    domain=_DOMAIN,
                    num_heads=match.heads,
                    scale=match.scale,
                ),
            ]
        ):
            model.graph.node.insert(position + offset, node)
    if found and not any(opset.domain == _DOMAIN for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid(_DOMAIN, 1))
    _drop_unread(model)
    return len(found)


def _drop_unread(model: onnx.ModelProto) -> None:
    """Drop nodes that no output depends on: ONNX Runtime would run them. Nodes must be in order."""
    read = {output.name for output in model.graph.output}
    kept = []
    for node in reversed(model.graph.node):
        if read.intersection(node.output):
            kept.append(node)
            read.update(node.input)
    del model.graph.node[:]
    model.graph.node.extend(reversed(kept))


class _Graph:
    """Makers, readers and constants of a graph's values."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._makers = {output: node for node in model.graph.node for output in node.output}
        self._readers: dict[str, list[NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self._constants = {i.name: i for i in model.graph.initializer}

    def attention(self, softmax: NodeProto) -> _Attention | None:
        """Match attention around its softmax."""
        if softmax.op_type != "Softmax":
            return None
        biased = self._maker(softmax.input[0], "Add")
        mixed = self._only_reader(softmax.output[0], "MatMul")
        if biased is None or mixed is None or mixed.input[0] != softmax.output[0]:
            return None
        scores = next((s for name in biased.input if (s := self._maker(name, "MatMul")) is not None), None)
        back = self._only_reader(mixed.output[0], "Transpose")
        last = None if back is None else self._only_reader(back.output[0], "Reshape")
        if scores is None or back is None or last is None or _permutation(back) != _HEADS_FIRST:
            return None
        bias = biased.input[1] if biased.input[0] == scores.output[0] else biased.input[0]
        lengths = self._lengths(bias)
        picked = [self._picked(name) for name in (*scores.input, mixed.input[1])]
        if lengths is None or None in picked:
            return None
        packings, indices, scales = zip(*(pick for pick in picked if pick is not None), strict=True)
        packing = packings[0]
        heads = self._heads(packing)
        if indices != (0, 1, 2) or any(p.name != packing.name for p in packings) or heads is None:
            return None
        return _Attention(packing.input[0], lengths, heads, float(np.prod(scales)), last)

    def _maker(self, name: str, kind: str) -> NodeProto | None:
        node = self._makers.get(name)
        return node if node is not None and node.op_type == kind else None

    def _only_reader(self, name: str, kind: str) -> NodeProto | None:
        readers = [node for node in self._readers.get(name, []) if node.op_type != "Shape"]
        return readers[0] if len(readers) == 1 and readers[0].op_type == kind else None

    def _constant(self, name: str) -> np.ndarray | None:
        if name in self._constants:
            return numpy_helper.to_array(self._constants[name])
        node = self._maker(name, "Constant")
        return None if node is None else numpy_helper.to_array(node.attribute[0].t)

    def _picked(self, name: str) -> tuple[NodeProto, int, float] | None:
        """Follow queries, keys or values back to the Reshape that parts them: it, which third, the scale."""
        index, scale = -1, 1.0
        while (node := self._makers.get(name)) is not None and node.op_type != "Reshape":
            source = node.input[0]
            if node.op_type == "Mul":
                factor, source = self._factor(node)
                if factor is None:
                    return None
                scale *= factor
            elif node.op_type not in _PICKS:
                return None
            elif node.op_type == "Gather":
                chosen = self._constant(node.input[1])
                if chosen is None or chosen.size != 1 or index != -1:
                    return None
                index = int(chosen.item())
            elif node.op_type == "Split":
                if index != -1:
                    return None
                index = list(node.output).index(name)
            name = source
        return None if node is None else (node, index, scale)

    def _factor(self, node: NodeProto) -> tuple[float | None, str]:
        """Return the constant of a Mul by a scalar, or None, and its other input."""
        for constant, other in (node.input, tuple(reversed(node.input))):
            value = self._constant(constant)
            if value is not None and value.size == 1:
                return float(value.item()), other
        return None, node.input[0]

    def _lengths(self, bias: str) -> str | None:
        """Follow a bias that hides padding back to the lengths (batch) that it was made from."""
        node = self._makers.get(bias)
        while node is not None and node.op_type in _BIAS_STEPS:
            source = self._factor(node)[1] if node.op_type == "Mul" else node.input[0]
            node = self._makers.get(source)
        if node is None or node.op_type != "Less":
            return None
        row = self._maker(node.input[1], "Unsqueeze")
        return None if row is None else row.input[0]

    def _heads(self, packing: NodeProto) -> int | None:
        """Read the number of heads from a shape (batch, time, 3, heads, depth)."""
        joined = self._maker(packing.input[1], "Concat")
        if joined is None:
            shape = self._constant(packing.input[1])
            return None if shape is None or shape.shape != (5,) or shape[2] != 3 else int(shape[3])
        pieces = [self._constant(name) for name in joined.input]
        known = [None] * 5 if len(pieces) != 5 else [None if p is None else int(p.item()) for p in pieces]
        return known[3] if known[2] == 3 else None


def _permutation(node: NodeProto) -> list[int]:
    return next((list(a.ints) for a in node.attribute if a.name == "perm"), [])
