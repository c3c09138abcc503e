from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from modelkit.__main__ import app
from modelkit.folder_swap import copy_folder
from modelkit.graphs.quantisation import QUANTISED, feature_nodes, quantise
from modelkit.verification import noise, verify
from speech import Engine, ModelFolder
from speech.recognisers import as_ctc, load_recogniser
from tests.conftest import MODEL, ROOT
from tests.speech.sounds import write_model


def graph_with_features() -> onnx.ModelProto:
    """MatMul, Log and another MatMul: features of sixteen bands, then a layer."""
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(0, 1, (16, 16)).astype(np.float32) for name in ("bands", "layer")}
    nodes = [
        helper.make_node("MatMul", ["x", "bands"], ["power"], name="features"),
        helper.make_node("Abs", ["power"], ["positive"], name="positive"),
        helper.make_node("Log", ["positive"], ["mel"], name="log"),
        helper.make_node("MatMul", ["mel", "layer"], ["y"], name="layer"),
    ]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 16])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_features_are_what_a_logarithm_depends_on() -> None:
    assert feature_nodes(graph_with_features()) == {"features", "positive", "log"}


def test_layers_are_quantised_and_features_are_not(tmp_path: Path) -> None:
    write_model(tmp_path)
    onnx.save(graph_with_features(), tmp_path / "model.onnx")
    made = onnx.load(quantise(tmp_path))
    assert [node.op_type for node in made.graph.node if node.name == "features"] == ["MatMul"]
    assert "MatMulInteger" in {node.op_type for node in made.graph.node}
    assert QUANTISED in (tmp_path / "model.json").read_text(encoding="utf-8")


def test_the_default_model_says_the_same_with_eight_bits(tmp_path: Path) -> None:
    folder = tmp_path / MODEL
    copy_folder(ROOT / "models" / MODEL, folder)
    (folder / QUANTISED).unlink(missing_ok=True)
    made = CliRunner().invoke(app, ["quantise", str(folder)])
    assert made.exit_code == 0, made.output
    model = ModelFolder.load(folder)
    model.verify_hashes()
    assert (folder / QUANTISED).stat().st_size < 0.4 * 4 * model.training["parameters"]  # of float32
    texts = []
    for precision in ("float32", "int8"):
        engine = Engine.load(folder, precision=precision, decoder="greedy")
        with engine.transcribe(ROOT / "samples" / "namaste.wav") as transcription:
            texts.append(" ".join(segment.text for segment in transcription.segments()))
    assert texts[0] == texts[1] != ""


def test_sixteen_bits_give_nearly_the_same_and_verify(tmp_path: Path) -> None:
    folder = tmp_path / MODEL
    copy_folder(ROOT / "models" / MODEL, folder)
    assert CliRunner().invoke(app, ["quantise", str(folder), "--float16"]).exit_code == 0
    model = ModelFolder.load(folder)
    exact, halved = (as_ctc(load_recogniser(model, 1, name)) for name in ("float32", "float16"))
    waveforms = noise(model, [16_000, 64_000])
    for first, second in zip(exact.log_probs(waveforms), halved.log_probs(waveforms), strict=True):
        assert np.abs(first - second).max() < 0.1
        assert (first.argmax(axis=1) == second.argmax(axis=1)).all()
    assert [check.found for check in verify(folder, ROOT / "samples") if check.passed is False] == []
