"""Write ONNX graphs as code reads: one call for each operator, which returns the name of what it computes."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

OPSET: Final = 13
"""Operator set: the oldest where axes are inputs. ONNX converts graphs to newer ones, but hardly to older."""


class GraphBuilder:
    """Nodes and constants of a graph that grows."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add an operator with one output and return the output's name."""
        name = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(self, value: npt.NDArray[Any]) -> str:
        """Add a tensor and return its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def float32(self, value: float) -> str:
        """Add a scalar."""
        return self.constant(np.array(value, np.float32))

    def int64(self, *values: int) -> str:
        """Add a vector of integers, such as axes or a shape."""
        return self.constant(np.array(values, np.int64))

    def before(self, lengths: str, like: str, axis: int) -> str:
        """Return whether a position along an axis of `like` is before the lengths, which broadcast to it."""
        size = self.add("Gather", self.add("Shape", like), self.constant(np.array(axis, np.int64)))
        zero, one = self.constant(np.array(0, np.int64)), self.constant(np.array(1, np.int64))
        return self.add("Less", self.add("Range", zero, size, one), lengths)

    def model(
        self, name: str, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> onnx.ModelProto:
        """Return the checked model.

        Raises:
            onnx.checker.ValidationError: the nodes do not fit together.
        """
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        onnx.checker.check_model(model)
        return model
