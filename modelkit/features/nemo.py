"""NeMo's log-mel features as an ONNX graph.

They are what `AudioToMelSpectrogramPreprocessor` of NeMo 3.0 computes for inference, without dither and for
every row as if it were alone.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from modelkit.errors import FamilyUnsupported, SourceInvalid
from modelkit.features.graph_builder import GraphBuilder

WINDOWS: Final[Mapping[str, Callable[[int], npt.NDArray[np.float64]]]] = {
    "hann": np.hanning,
    "hamming": np.hamming,
    "blackman": np.blackman,
    "bartlett": np.bartlett,
    "none": np.ones,
}
EPSILON: Final = 1e-5
"""What NeMo adds to a feature's standard deviation before it divides by it."""


@dataclass(frozen=True, slots=True)
class NemoFeatures:
    """How features are computed. The defaults are those of NeMo's Conformer and FastConformer models.

    Attributes:
        window, hop: samples.
        window_name: a key of `WINDOWS`; symmetric, as in NeMo.
        low, high: hertz, where the lowest mel filter starts and the highest ends.
        guard: added to a mel band's power before the logarithm, or its minimum if `clamp`.
        normalise: subtract each feature's mean over the row's frames and divide by its deviation.
    """

    mels: int = 80
    sample_rate: int = 16_000
    fft: int = 512
    window: int = 400
    hop: int = 160
    window_name: str = "hann"
    preemphasis: float = 0.97
    low: float = 0.0
    high: float = 8_000.0
    power: float = 2.0
    guard: float = 2.0**-24
    clamp: bool = False
    normalise: bool = True

    @classmethod
    def from_config(cls, preprocessor: Mapping[str, Any]) -> Self:
        """Read the section `preprocessor` of a model_config.yaml, with NeMo's defaults.

        Raises:
            FamilyUnsupported: the features are computed in a way that is not supported; the message names it.
            SourceInvalid: a value is of the wrong kind.
        """
        settings = {key: value for key, value in preprocessor.items() if value is not None}
        for key, default, absent in (("normalize", "per_feature", "none"), ("preemph", 0.97, 0.0)):
            settings[key] = preprocessor.get(key, default) or absent  # null turns these off
        try:
            return cls._from_settings(settings)
        except (TypeError, ValueError, KeyError) as error:
            raise SourceInvalid(
                f"The section 'preprocessor' of the model's configuration: {error}."
            ) from error

    @classmethod
    def _from_settings(cls, settings: Mapping[str, Any]) -> Self:
        rate = int(settings.get("sample_rate", 16_000))
        window = int(settings.get("n_window_size", int(float(settings.get("window_size", 0.02)) * rate)))
        hop = int(settings.get("n_window_stride", int(float(settings.get("window_stride", 0.01)) * rate)))
        if min(rate, window, hop) < 1:
            raise ValueError("a rate, window or hop of less than one sample")
        features = cls(
            mels=int(settings.get("features", 64)),
            sample_rate=rate,
            fft=int(settings.get("n_fft", 2 ** math.ceil(math.log2(window)))),
            window=window,
            hop=hop,
            window_name=str(settings.get("window", "hann")),
            preemphasis=float(settings["preemph"]),
            low=float(settings.get("lowfreq", 0.0)),
            high=float(settings.get("highfreq", 0.0)) or rate / 2,
            power=float(settings.get("mag_power", 2.0)),
            guard=_guard(settings.get("log_zero_guard_value", 2.0**-24)),
            clamp=settings.get("log_zero_guard_type", "add") == "clamp",
            normalise=settings["normalize"] == "per_feature",
        )
        unsupported = {
            "normalize": str(settings["normalize"]).lower() not in {"per_feature", "na", "none"},
            "window": features.window_name not in WINDOWS,
            "n_fft": features.fft % 2 == 1 or features.fft < features.window,
            "mag_power": features.power not in {1.0, 2.0},
            "exact_pad": bool(settings.get("exact_pad", False)),
            "frame_splicing": int(settings.get("frame_splicing", 1)) != 1,
            "log": not settings.get("log", True),
            "mel_norm": settings.get("mel_norm", "slaney") != "slaney",
            "pad_value": float(settings.get("pad_value", 0.0)) != 0.0,
        }
        named = ", ".join(f"{key}={settings.get(key)}" for key, is_so in unsupported.items() if is_so)
        if named:
            raise FamilyUnsupported(
                f"The model computes its features in a way that is not supported: {named}."
            )
        return features

    def window_values(self) -> npt.NDArray[np.float64]:
        """Return the window, shape (window,)."""
        return WINDOWS[self.window_name](self.window)

    def mel_filters(self) -> npt.NDArray[np.float64]:
        """Return triangular filters on Slaney's mel scale, each of unit area, shape (mels, fft / 2 + 1).

        The scale is linear below 1,000 Hz and logarithmic above: Malcolm Slaney, Auditory Toolbox, 1998.
        """
        corners = _hertz(np.linspace(_mel(self.low), _mel(self.high), self.mels + 2))
        bins = np.linspace(0.0, self.sample_rate / 2, self.fft // 2 + 1)
        widths = np.diff(corners)
        slopes = corners[:, None] - bins[None]
        rising, falling = -slopes[:-2] / widths[:-1, None], slopes[2:] / widths[1:, None]
        filters = np.maximum(0.0, np.minimum(rising, falling))
        return filters * (2.0 / (corners[2:] - corners[:-2]))[:, None]

    def graph(self) -> onnx.ModelProto:
        """Make the ONNX model.

        Inputs `waveform` (batch, samples) float32 and `lengths` (batch,) int64. Outputs `features` (batch,
        mels, frames) float32, zero after a row's last frame, and `feature_lengths` (batch,) int64: a frame
        for each whole hop. `frames` is that of the longest row, at least 1. No row depends on the others.

        In float32 a row below about -80 dBFS differs from NeMo's: there both are mostly rounding errors,
        divided by a deviation of almost nothing. Digital silence gives zeros.
        """
        graph = GraphBuilder()
        log_mel = self._log_mel(graph, self._magnitudes(graph, self._emphasised(graph)))
        graph.add("Div", "lengths", graph.int64(self.hop), output="feature_lengths")
        longest = graph.add("Max", graph.add("ReduceMax", "feature_lengths"), graph.int64(1))
        log_mel = graph.add("Slice", log_mel, graph.int64(0), longest, graph.int64(2))
        frames = graph.add("Unsqueeze", "feature_lengths", graph.int64(1, 2))
        valid = graph.before(frames, log_mel, 2)
        if self.normalise:
            log_mel = _normalised(graph, log_mel, frames, valid)
        graph.add("Where", valid, log_mel, graph.float32(0.0), output="features")
        value = helper.make_tensor_value_info
        return graph.model(
            "nemo_features",
            [
                value("waveform", onnx.TensorProto.FLOAT, ["batch", "samples"]),
                value("lengths", onnx.TensorProto.INT64, ["batch"]),
            ],
            [
                value("features", onnx.TensorProto.FLOAT, ["batch", self.mels, "frames"]),
                value("feature_lengths", onnx.TensorProto.INT64, ["batch"]),
            ],
        )

    def _emphasised(self, graph: GraphBuilder) -> str:
        """Subtract from each sample a share of the previous one, and silence what follows the row's end."""
        waveform = "waveform"
        if self.preemphasis:
            zero, one, last = graph.int64(0), graph.int64(1), graph.int64(-1)
            end = graph.int64(np.iinfo(np.int64).max)
            previous = graph.add("Slice", "waveform", zero, last, one)
            previous = graph.add("Mul", previous, graph.float32(self.preemphasis))
            rest = graph.add("Sub", graph.add("Slice", "waveform", one, end, one), previous)
            waveform = graph.add("Concat", graph.add("Slice", "waveform", zero, one, one), rest, axis=1)
        valid = graph.before(graph.add("Unsqueeze", "lengths", graph.int64(1)), "waveform", 1)
        return graph.add("Where", valid, waveform, graph.float32(0.0))

    def _magnitudes(self, graph: GraphBuilder, waveform: str) -> str:
        """Fourier transform of each window, as a convolution: powers or magnitudes (batch, bins, frames).

        Windows are centred on multiples of the hop, and the signal is zero beyond its ends. A window shorter
        than the transform has zeros on both sides, which only turn the phase.
        """
        bins = self.fft // 2 + 1
        # Reduced modulo the transform before the cosine, the angles are exact.
        steps = np.outer(np.arange(bins), np.arange(self.window)) % self.fft
        angles = 2.0 * np.pi / self.fft * steps
        kernel = np.concatenate([np.cos(angles), np.sin(angles)]) * self.window_values()
        left = self.fft // 2 - (self.fft - self.window) // 2
        spectrum = graph.add(
            "Conv",
            graph.add("Unsqueeze", waveform, graph.int64(1)),
            graph.constant(kernel[:, None].astype(np.float32)),
            strides=[self.hop],
            pads=[left, self.window - left],
        )
        squares = graph.add("Mul", spectrum, spectrum)
        middle = graph.int64(bins)
        cosines = graph.add("Slice", squares, graph.int64(0), middle, graph.int64(1))
        sines = graph.add("Slice", squares, middle, graph.int64(2 * bins), graph.int64(1))
        power = graph.add("Add", cosines, sines)
        return power if self.power == 2.0 else graph.add("Sqrt", power)

    def _log_mel(self, graph: GraphBuilder, magnitudes: str) -> str:
        mel = graph.add("MatMul", graph.constant(self.mel_filters().astype(np.float32)), magnitudes)
        return graph.add("Log", graph.add("Max" if self.clamp else "Add", mel, graph.float32(self.guard)))


def _normalised(graph: GraphBuilder, log_mel: str, frames: str, valid: str) -> str:
    """Subtract the mean and divide by the deviation, with one degree of freedom less and EPSILON more.

    The first frame is subtracted before the mean: in silence, where all frames are equal, the mean's rounding
    error divided by EPSILON would otherwise pass for a signal.
    """
    zero, one, axis = graph.float32(0.0), graph.float32(1.0), graph.int64(2)
    first = graph.add("Slice", log_mel, graph.int64(0), graph.int64(1), axis)
    shifted = graph.add("Where", valid, graph.add("Sub", log_mel, first), zero)
    count = graph.add("Cast", frames, to=onnx.TensorProto.FLOAT)
    mean = graph.add("Div", graph.add("ReduceSum", shifted, axis), graph.add("Max", count, one))
    centred = graph.add("Where", valid, graph.add("Sub", shifted, mean), zero)
    squares = graph.add("ReduceSum", graph.add("Mul", centred, centred), axis)
    freedom = graph.add("Max", graph.add("Sub", count, one), one)
    deviation = graph.add("Sqrt", graph.add("Div", squares, freedom))
    return graph.add("Div", centred, graph.add("Add", deviation, graph.float32(EPSILON)))


def _guard(value: Any) -> float:
    names = {"tiny": np.finfo(np.float32).tiny, "eps": np.finfo(np.float32).eps}
    return float(names[value] if isinstance(value, str) and value in names else value)


def _mel(hertz: float) -> float:
    return hertz * 3.0 / 200.0 if hertz < 1_000.0 else 15.0 + 27.0 * math.log(hertz / 1_000.0) / math.log(6.4)


def _hertz(mels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    logarithmic = 1_000.0 * np.exp((mels - 15.0) * math.log(6.4) / 27.0)
    return np.where(mels < 15.0, mels * 200.0 / 3.0, logarithmic)
