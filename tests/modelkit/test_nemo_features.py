"""NeMo's features as a graph, and graphs of features joined to acoustic graphs."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from modelkit.errors import FamilyUnsupported, SourceInvalid
from modelkit.features.joining import with_features
from modelkit.features.nemo import NemoFeatures
from modelkit.graphs.parity import probe

Floats = npt.NDArray[np.float32]


def run(model: onnx.ModelProto, *waveforms: Floats) -> list[npt.NDArray[Any]]:
    lengths = np.array([len(waveform) for waveform in waveforms], np.int64)
    batch = np.full((len(waveforms), lengths.max()), 9.0, np.float32)  # what follows a row must not matter
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = waveform
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs: list[npt.NDArray[Any]] = session.run(None, {"waveform": batch, "lengths": lengths})
    return outputs


def expected(waveform: Floats, settings: NemoFeatures) -> npt.NDArray[np.float64]:
    """The definition, frame by frame and in float64."""
    signal = waveform.astype(np.float64)
    signal[1:] -= settings.preemphasis * signal[:-1].copy()
    padded = np.pad(signal, settings.fft // 2)
    window = np.zeros(settings.fft)
    start = (settings.fft - settings.window) // 2
    window[start : start + settings.window] = settings.window_values()
    frames = [padded[at : at + settings.fft] * window for at in range(0, len(signal), settings.hop)]
    frames = frames[: len(signal) // settings.hop]
    power = np.abs(np.fft.rfft(np.array(frames))) ** settings.power
    log_mel = np.log(settings.mel_filters() @ power.T + settings.guard)
    if not settings.normalise:
        return log_mel
    centred: npt.NDArray[np.float64] = log_mel - log_mel.mean(axis=1, keepdims=True)
    return centred / (log_mel.std(axis=1, ddof=1, keepdims=True) + 1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        NemoFeatures(),
        NemoFeatures(mels=128, high=7_600.0, low=60.0),
        NemoFeatures(sample_rate=8_000, fft=256, window=200, hop=80, high=4_000.0, mels=64),
        NemoFeatures(window_name="hamming", power=1.0, preemphasis=0.0, normalise=False, clamp=False),
    ],
)
@pytest.mark.parametrize("samples", [400, 1_600, 27_200, 100_001])
def test_the_graph_is_the_definition(settings: NemoFeatures, samples: int) -> None:
    waveform = probe(samples, seed=3)
    features, lengths = run(settings.graph(), waveform)
    found = expected(waveform, settings)
    assert lengths.tolist() == [found.shape[1]]
    assert features.shape == (1, *found.shape)
    assert np.abs(features[0] - found).max() < 2e-4


def test_a_row_is_the_same_alone_and_padded() -> None:
    model = NemoFeatures().graph()
    waveforms = [probe(samples, seed) for seed, samples in enumerate((160, 161, 2_000, 16_079, 40_000))]
    together, lengths = run(model, *waveforms)
    for waveform, row, count in zip(waveforms, together, lengths, strict=True):
        alone, (frames,) = run(model, waveform)
        assert frames == count == len(waveform) // 160
        assert np.abs(alone[0] - row[:, :count]).max() < 1e-4
        assert not row[:, count:].any()


def test_silence_has_no_features() -> None:
    """Where NeMo divides rounding errors by its epsilon."""
    features, lengths = run(NemoFeatures().graph(), np.zeros(32_000, np.float32))
    assert lengths.tolist() == [200]
    assert not features.any()


def test_less_than_a_hop_gives_no_valid_frame() -> None:
    features, lengths = run(NemoFeatures().graph(), probe(100, 0), probe(1, 0))
    assert lengths.tolist() == [0, 0]
    assert features.shape == (2, 80, 1)
    assert not features.any()


def test_one_frame_has_no_deviation() -> None:
    features, lengths = run(NemoFeatures().graph(), probe(200, 0))
    assert lengths.tolist() == [1]
    assert not features.any()


def test_mel_filters_are_slaneys() -> None:
    librosa = pytest.importorskip("librosa")
    found = NemoFeatures().mel_filters()
    assert np.abs(found - librosa.filters.mel(sr=16_000, n_fft=512, n_mels=80)).max() < 1e-8


def test_nemos_names_and_defaults() -> None:
    assert NemoFeatures.from_config({"features": 80, "window_size": 0.025, "n_fft": 512}) == NemoFeatures()
    assert NemoFeatures.from_config({}) == NemoFeatures(mels=64, window=320)
    assert NemoFeatures.from_config(
        {"preemph": None, "normalize": None, "window_size": None}
    ) == NemoFeatures(mels=64, window=320, preemphasis=0.0, normalise=False)
    assert NemoFeatures.from_config({"normalize": "NA", "log_zero_guard_value": "eps"}).guard == 2.0**-23


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"normalize": "all_features"}, "normalize"),
        ({"frame_splicing": 3}, "frame_splicing"),
        ({"exact_pad": True}, "exact_pad"),
        ({"window": "kaiser"}, "window"),
        ({"n_fft": 100}, "n_fft"),
        ({"mel_norm": None, "log": False}, "log"),
    ],
)
def test_other_features_are_refused_by_name(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(FamilyUnsupported, match=named):
        NemoFeatures.from_config(settings)


@pytest.mark.parametrize(
    "settings", [{"sample_rate": "fast"}, {"window_size": 0}, {"n_fft": []}, {"log_zero_guard_value": "none"}]
)
def test_settings_that_make_no_sense_are_the_sources_fault(settings: dict[str, Any]) -> None:
    with pytest.raises(SourceInvalid, match="preprocessor"):
        NemoFeatures.from_config(settings)


def acoustic(opset: int = 17, *, scores: int = TensorProto.FLOAT, lengths: bool = True) -> onnx.ModelProto:
    """Every second frame of the features, as an export names things; `waveform` is a name inside it."""
    nodes = [
        helper.make_node("Transpose", ["audio_signal"], ["waveform"], perm=[0, 2, 1]),
        helper.make_node("Slice", ["waveform", "zero", "end", "one", "two"], ["halved"]),
        helper.make_node("Cast", ["halved"], ["logprobs"], to=scores),
    ]
    constants = [
        helper.make_tensor(name, TensorProto.INT64, [1], [value])
        for name, value in {"zero": 0, "one": 1, "two": 2, "end": 10**6}.items()
    ]
    inputs = [helper.make_tensor_value_info("audio_signal", TensorProto.FLOAT, ["B", 8, "T"])]
    if lengths:
        inputs.append(helper.make_tensor_value_info("length", TensorProto.INT32, ["B"]))
        nodes.append(helper.make_node("Identity", ["length"], ["unused"]))
    graph = helper.make_graph(
        nodes,
        "acoustic",
        inputs,
        [helper.make_tensor_value_info("logprobs", scores, ["B", "N", 8])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.mark.parametrize("opset", [13, 14, 17, 18, 21])
@pytest.mark.parametrize("lengths", [True, False])
def test_a_joined_graph_takes_waveforms(opset: int, lengths: bool) -> None:
    features = NemoFeatures(mels=8, normalise=False)
    joined = with_features(
        features.graph(),
        acoustic(opset, scores=TensorProto.FLOAT16, lengths=lengths),
        features_input="audio_signal",
        lengths_input="length" if lengths else None,
        scores="logprobs",
        frame_lengths=2,
        log_softmax=True,
    )
    assert [value.name for value in joined.graph.input] == ["waveform", "lengths"]
    assert [value.name for value in joined.graph.output] == ["log_probs", "frame_lengths"]
    waveforms = probe(8_000, 0), probe(4_000, 1)
    log_probs, counts = run(joined, *waveforms)
    assert counts.tolist() == [25, 13]
    assert log_probs.dtype == np.float32
    found, _ = run(features.graph(), *waveforms)
    scores = found.transpose(0, 2, 1)[:, ::2]
    wanted = scores - np.log(np.exp(scores).sum(axis=2, keepdims=True))
    assert np.abs(log_probs - wanted).max() < 0.02


@pytest.mark.parametrize(
    "names",
    [
        {"features_input": "features"},
        {"features_input": "audio_signal", "lengths_input": None},
        {"features_input": "audio_signal", "lengths_input": "length", "scores": "logits"},
        {
            "features_input": "audio_signal",
            "lengths_input": "length",
            "scores": "logprobs",
            "frame_lengths": "n",
        },
    ],
)
def test_an_acoustic_graph_of_other_names_is_refused(names: dict[str, Any]) -> None:
    with pytest.raises(SourceInvalid, match=r"must take .* it takes \['audio_signal', 'length'\]"):
        with_features(NemoFeatures(mels=8).graph(), acoustic(), **names)


def test_an_operator_set_that_is_too_old_is_named() -> None:
    with pytest.raises(SourceInvalid, match="operator set 9"):
        with_features(
            NemoFeatures(mels=8).graph(),
            acoustic(9),
            features_input="audio_signal",
            lengths_input="length",
            scores="logprobs",
            frame_lengths=2,
        )
