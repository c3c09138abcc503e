from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

from speech import ModelFolder, ModelInvalid
from speech.recognisers import LogProbs, Samples
from speech.recognisers.onnx_ctc import OnnxCtcRecogniser
from tests.speech.sounds import FRAME, TOKENS, build_graph, speak


def test_a_batch_gives_what_each_gives_alone(model_path: Path) -> None:
    recogniser = OnnxCtcRecogniser(ModelFolder.load(model_path))
    waveforms = [speak("नमस्ते"), speak("न"), speak("मन नम")]
    together = recogniser.log_probs(waveforms)
    for waveform, found in zip(waveforms, together, strict=True):
        assert found.shape == (len(waveform) // FRAME, len(TOKENS))
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, recogniser.log_probs([waveform])[0])
        np.testing.assert_allclose(np.exp(found).sum(axis=1), 1.0, rtol=1e-5)


def test_nothing_and_almost_nothing(model_path: Path) -> None:
    recogniser = OnnxCtcRecogniser(ModelFolder.load(model_path))
    assert recogniser.log_probs([]) == []
    (found,) = recogniser.log_probs([np.zeros(1, np.float32)])
    assert found.shape == (1, len(TOKENS))
    recogniser.warm()


def test_a_graph_of_fewer_bits_runs_waveforms_one_by_one(
    make_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dynamic quantisation scales by the whole input, so other waveforms in a batch would change a text."""
    folder = make_model(precision="int8")
    (folder / "model.onnx").rename(folder / "model.int8.onnx")
    recogniser = OnnxCtcRecogniser(ModelFolder.load(folder))
    rows: list[int] = []
    run = recogniser._run

    def counted(waveforms: Sequence[Samples]) -> list[LogProbs]:
        rows.append(len(waveforms))
        return run(waveforms)

    monkeypatch.setattr(recogniser, "_run", counted)
    waveforms = [speak("नमस्ते"), speak("न")]
    assert [len(found) for found in recogniser.log_probs(waveforms)] == [len(w) // FRAME for w in waveforms]
    assert recogniser.log_probs([]) == []
    assert rows == [1, 1]
    assert recogniser.working_bytes(5, 16000) == recogniser.working_bytes(1, 16000)


def renamed(model: onnx.ModelProto) -> None:
    model.graph.output[1].name = "lengths_of_frames"
    model.graph.node[-1].output[0] = "lengths_of_frames"


def fewer_outputs(model: onnx.ModelProto) -> None:
    levels = next(i for i in model.graph.initializer if i.name == "levels")
    levels.CopyFrom(onnx.numpy_helper.from_array(np.zeros((1, 1, 3), np.float32), "levels"))
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_value = 3


def not_numbers(model: onnx.ModelProto) -> None:
    sharpness = next(i for i in model.graph.initializer if i.name == "sharpness")
    sharpness.CopyFrom(onnx.numpy_helper.from_array(np.array(np.nan, np.float32), "sharpness"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (renamed, "must have the inputs and outputs"),
        (fewer_outputs, "3 outputs for 8"),
        (not_numbers, "no valid"),
    ],
)
def test_graphs_that_break_the_interface(
    make_model: Callable[..., Path], change: Callable[[onnx.ModelProto], None], says: str
) -> None:
    folder = make_model()
    graph = build_graph()
    change(graph)
    onnx.save(graph, folder / "model.onnx")
    with pytest.raises(ModelInvalid) as caught:
        OnnxCtcRecogniser(ModelFolder.load(folder)).log_probs([speak("न")])
    assert says in caught.value.message


def test_a_graph_that_is_none(make_model: Callable[..., Path]) -> None:
    folder = make_model()
    (folder / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelInvalid, match="could not be loaded"):
        OnnxCtcRecogniser(ModelFolder.load(folder))
