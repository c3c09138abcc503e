"""Convert dynamic 8-bit arithmetic back to float32, which is faster on CPUs without an 8-bit dot product.

ONNX Runtime's dynamic quantisation measures the range of each input at run time, multiplies integers, and
scales the result. This module multiplies the weights by their scales once and removes the other steps.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import numpy_helper

_FLOAT_OPERATOR = {"ConvInteger": "Conv", "MatMulInteger": "MatMul"}
_SUFFIX = ".float32"


@dataclass(slots=True)
class _Chain:
    """An integer operator and the following nodes, which convert its result to floats.

    `bias` is the name of the float bias whose integer version was added, or "".
    """

    operator: onnx.NodeProto
    behind: list[onnx.NodeProto]
    scale: str
    bias: str


@dataclass(slots=True)
class _Graph:
    """Lookup tables of a graph: constants by name, the node that makes a value, the nodes that read it."""

    constants: Mapping[str, onnx.TensorProto]
    makers: dict[str, onnx.NodeProto] = field(default_factory=dict)
    readers: dict[str, list[onnx.NodeProto]] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: onnx.GraphProto) -> "_Graph":
        found = cls({constant.name: constant for constant in graph.initializer})
        for node in graph.node:
            found.makers.update(dict.fromkeys(node.output, node))
            for name in node.input:
                found.readers.setdefault(name, []).append(node)
        return found

    def only_reader(self, node: onnx.NodeProto) -> onnx.NodeProto:
        (reader,) = self.readers[node.output[0]]
        return reader

    def other_input(self, node: onnx.NodeProto, name: str) -> str:
        (other,) = (one for one in node.input if one != name)
        return str(other)

    def array(self, name: str) -> np.ndarray:
        return np.asarray(numpy_helper.to_array(self.constants[name]))

    def chain(self, operator: onnx.NodeProto) -> _Chain | None:
        """Return the chain of an integer operator with constant weight and dynamic input; None for others."""
        maker = self.makers.get(operator.input[0])
        if (
            maker is None
            or maker.op_type != "DynamicQuantizeLinear"
            or operator.input[1] not in self.constants
        ):
            return None
        behind, bias = [self.only_reader(operator)], ""
        if behind[0].op_type == "Add":
            bias = self._float_bias(self.other_input(behind[0], operator.output[0]))
            behind.append(self.only_reader(behind[0]))
        cast = behind[-1]
        product = self.only_reader(cast)
        if cast.op_type != "Cast" or product.op_type != "Mul":
            return None
        scales = self.makers[self.other_input(product, cast.output[0])]
        return _Chain(operator, [*behind, product], self.other_input(scales, maker.output[1]), bias)

    def _float_bias(self, name: str) -> str:
        """Return the name of the float constant from which the integers `name` were made."""
        while (node := self.makers[name]).op_type != "Div":
            name = node.input[0]
        return str(node.input[0])

    def weight(self, chain: _Chain) -> np.ndarray:
        """Return the chain's weight as float32."""
        operator = chain.operator
        weight = self.array(operator.input[1]).astype(np.float32)
        zero = self.array(operator.input[3]) if len(operator.input) > 3 else np.zeros(1)
        shape = (-1, *(1,) * (weight.ndim - 1)) if operator.op_type == "ConvInteger" else (-1,)
        zero, scale = (part.astype(np.float32).reshape(shape) for part in (zero, self.array(chain.scale)))
        return np.asarray((weight - zero) * scale, np.float32)


def _used(nodes: list[onnx.NodeProto], outputs: set[str]) -> list[onnx.NodeProto]:
    """Return the nodes that a graph with these outputs needs, in order."""
    kept, needed = [], set(outputs)
    for node in reversed(nodes):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    return kept[::-1]


def _replacements(lookup: _Graph, graph: onnx.GraphProto) -> Iterator[tuple[_Chain, onnx.NodeProto]]:
    """Yield each chain of the graph with the node that replaces it, and add its weights to the graph."""
    added = set()
    for operator in list(graph.node):
        chain = lookup.chain(operator) if operator.op_type in _FLOAT_OPERATOR else None
        if chain is None:
            continue
        name = operator.input[1] + _SUFFIX
        if name not in added:
            graph.initializer.append(numpy_helper.from_array(lookup.weight(chain), name))
            added.add(name)
        source = lookup.makers[operator.input[0]].input[0]
        inputs = [source, name, chain.bias] if chain.bias else [source, name]
        kind = _FLOAT_OPERATOR[operator.op_type]
        made = onnx.helper.make_node(kind, inputs, chain.behind[-1].output, name=operator.name + _SUFFIX)
        made.attribute.extend(operator.attribute)
        yield chain, made


def dequantised(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of `model` with its dynamically quantised convolutions and products in float32.

    Other operators, such as a quantised LSTM, are unchanged.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    lookup = _Graph.of(graph)
    by_output = {chain.behind[-1].output[0]: (chain, node) for chain, node in _replacements(lookup, graph)}
    nodes = [by_output[node.output[0]][1] if node.output[0] in by_output else node for node in graph.node]
    nodes = _used(nodes, {output.name for output in graph.output})
    needed = {name for node in nodes for name in node.input}
    constants = [constant for constant in graph.initializer if constant.name in needed]
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.initializer[:]
    graph.initializer.extend(constants)
    return made
