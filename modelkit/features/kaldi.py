"""Log-mel filter bank features as Kaldi computes them, as an ONNX graph.

Sources: Kaldi's feat/feature-window.cc and feat/mel-computations.cc; torchaudio.compliance.kaldi.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper, parser

from modelkit.graphs.torch_export import OPSET

FLOOR: Final = float(np.finfo(np.float32).eps)
"""Smallest mel energy before the logarithm."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FilterBank:
    """Settings of the features. Defaults are Kaldi's, without dithering.

    Attributes:
        high_hertz: upper edge of the last filter; zero or less counts down from half the sample rate.
        scale: factor of waveforms in [-1, 1]: 32768 if the model was trained on 16-bit integers.
        snip_edges: whether frames must lie within the waveform. Else there is one for each shift, and the
            waveform is mirrored at both ends.
    """

    sample_rate: int = 16_000
    mels: int = 80
    low_hertz: float = 20.0
    high_hertz: float = 0.0
    window: Literal["povey", "hann", "hamming", "rectangular"] = "povey"
    frame_seconds: float = 0.025
    shift_seconds: float = 0.010
    preemphasis: float = 0.97
    scale: float = 1.0
    snip_edges: bool = True

    @property
    def frame(self) -> int:
        """Samples of a frame."""
        return round(self.sample_rate * self.frame_seconds)

    @property
    def shift(self) -> int:
        """Samples between the starts of two frames."""
        return round(self.sample_rate * self.shift_seconds)

    @property
    def fft(self) -> int:
        """Points of the Fourier transform: the next power of two."""
        return 1 << (self.frame - 1).bit_length()


def kaldi_features(settings: FilterBank) -> onnx.ModelProto:
    """Make the graph.

    The frame's mean is subtracted twice: what rounding leaves of a large offset is more than silence.
    Pre-emphasis, window and Fourier transform are linear and become one matrix product.

    Returns:
        Inputs `waveform` (batch, samples) float32 and `lengths` (batch,) int64, outputs `features` (batch,
        frames, mels) float32, natural logarithms, zero behind a row's end, and `feature_lengths` (batch,)
        int64. Without `snip_edges` a waveform must have at least half a frame.
    """
    model = parser.parse_model(
        f"""<ir_version: 8, opset_import: ["" : {OPSET}]>
        kaldi (float[batch, samples] waveform, int64[batch] lengths)
            => (float[batch, frames, {settings.mels}] features, int64[batch] feature_lengths)
        {{
            {_COUNTING[settings.snip_edges]}
            position = Range (none, frame_count, one)
            start = Mul (position, shift)
            start_column = Unsqueeze (start, last)
            index = Add (start_column, offsets)
            {_FRAMING[settings.snip_edges]}
            scaled = Mul (framed, scale)
            mean = ReduceMean <axes = [-1]> (scaled)
            nearly_centred = Sub (scaled, mean)
            rounding = ReduceMean <axes = [-1]> (nearly_centred)
            centred = Sub (nearly_centred, rounding)
            spectrum = MatMul (centred, transform)
            real, imaginary = Split <axis = -1> (spectrum)
            real_power = Mul (real, real)
            imaginary_power = Mul (imaginary, imaginary)
            power = Add (real_power, imaginary_power)
            energy = MatMul (power, filters)
            floored = Max (energy, floor)
            logarithm = Log (floored)
            count_column = Unsqueeze (feature_lengths, last)
            is_valid = Less (position, count_column)
            is_valid_frame = Unsqueeze (is_valid, last)
            features = Where (is_valid_frame, logarithm, zero)
        }}"""
    )
    first = 0 if settings.snip_edges else settings.shift // 2 - settings.frame // 2
    constants: dict[str, npt.ArrayLike] = {
        "none": np.int64(0),
        "one": np.int64(1),
        "two": np.int64(2),
        "last": np.array([-1]),
        "frame": np.int64(settings.frame),
        "shift": np.int64(settings.shift),
        "half_shift": np.int64(settings.shift // 2),
        "offsets": np.arange(first, first + settings.frame),
        "flat": np.array([0, -1]),
        "as_frames": np.array([0, -1, settings.frame]),
        "rows_apart": np.array([1, 2]),
        "scale": np.float32(settings.scale),
        "transform": _transform(settings).astype(np.float32),
        "filters": mel_filters(settings).astype(np.float32),
        "floor": np.float32(FLOOR),
        "zero": np.float32(0.0),
    }
    used = {name for node in model.graph.node for name in node.input}
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items() if name in used
    )
    onnx.checker.check_model(model, full_check=True)
    return model


_SAMPLES: Final = """
    shape = Shape <start = 1, end = 2> (waveform)
    samples = Squeeze (shape)
"""
_COUNTING: Final = {
    True: f"""{_SAMPLES}
        beyond_first = Sub (samples, frame)
        steps = Add (beyond_first, shift)
        some = Max (steps, none)
        frame_count = Div (some, shift)
        row_beyond_first = Sub (lengths, frame)
        row_steps = Add (row_beyond_first, shift)
        row_some = Max (row_steps, none)
        feature_lengths = Div (row_some, shift)
    """,
    False: f"""{_SAMPLES}
        rounded = Add (samples, half_shift)
        frame_count = Div (rounded, shift)
        row_rounded = Add (lengths, half_shift)
        feature_lengths = Div (row_rounded, shift)
    """,
}
_FRAMING: Final = {
    True: "framed = Gather <axis = 1> (waveform, index)",
    False: """
        size = Unsqueeze (lengths, rows_apart)
        mirrored = Neg (index)
        left = Sub (mirrored, one)
        from_left = Max (index, left)
        doubled = Mul (size, two)
        past_end = Sub (doubled, from_left)
        right = Sub (past_end, one)
        inside = Min (from_left, right)
        index_of_row = Max (inside, none)
        flat_index = Reshape (index_of_row, flat)
        flat_frames = GatherElements <axis = 1> (waveform, flat_index)
        framed = Reshape (flat_frames, as_frames)
    """,
}
"""Mirroring: x[-1-i] for i < 0 is max(i, -1-i); x[2n-1-i] for i >= n is min(i, 2n-1-i)."""


def mel_filters(settings: FilterBank) -> Array:
    """Return Kaldi's filters (frequencies, mels): triangles on the mel scale 1127 ln(1 + f/700)."""
    nyquist = settings.sample_rate / 2
    high = settings.high_hertz if settings.high_hertz > 0 else nyquist + settings.high_hertz
    edges = np.linspace(_mel(settings.low_hertz), _mel(high), settings.mels + 2)
    frequencies = np.arange(settings.fft // 2 + 1) * (settings.sample_rate / settings.fft)
    at = np.array([_mel(frequency) for frequency in frequencies])[:, None]
    rising = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - at) / (edges[2:] - edges[1:-1])
    filters: Array = np.maximum(0.0, np.minimum(rising, falling))
    filters[-1] = 0.0  # Kaldi leaves the highest frequency out
    return filters


def _mel(hertz: float) -> float:
    return 1127.0 * math.log(1.0 + hertz / 700.0)


def _transform(settings: FilterBank) -> Array:
    """Pre-emphasis, window and the real and imaginary part of the Fourier transform as a matrix (frame,
    2 * frequencies)."""
    size = settings.frame
    emphasis = np.eye(size) - settings.preemphasis * np.eye(size, k=1)
    emphasis[0, 0] -= settings.preemphasis  # the first sample is its own predecessor
    angles = np.outer(np.arange(size), np.arange(settings.fft // 2 + 1)) * (2 * np.pi / settings.fft)
    fourier = np.concatenate([np.cos(angles), -np.sin(angles)], axis=1)
    transform: Array = emphasis @ (_window(settings)[:, None] * fourier)
    return transform


def _window(settings: FilterBank) -> Array:
    if settings.window == "rectangular":
        return np.ones(settings.frame)
    if settings.window == "hamming":
        return np.hamming(settings.frame)
    hann = np.hanning(settings.frame)
    return hann**0.85 if settings.window == "povey" else hann
