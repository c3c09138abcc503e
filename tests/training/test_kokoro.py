"""A corpus spoken by a toy of Kokoro's shape, and weights back from 8 bits."""

import ctypes.util
import os
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile

from tests.conftest import require

require("onnx")

import onnx  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from modelkit.measuring.manifest import read_manifest  # noqa: E402
from tests.training.toy_kokoro import write_toy  # noqa: E402
from training.synthesis.dequantise import dequantised  # noqa: E402
from training.synthesis.kokoro import (  # noqa: E402
    NOT_SPEAKING,
    Kokoro,
    faster,
    float_model,
    mixed_style,
    read_vocabulary,
    read_voices,
    speak,
    trimmed,
)
from training.text.spelling import training_text  # noqa: E402

SENTENCES = [f"{first} {second} कर" for first in ("कल", "घर", "नदी") for second in ("आ", "जा", "सो", "रो")]


@pytest.fixture
def toy(tmp_path: Path) -> tuple[Path, Path, Path]:
    if ctypes.util.find_library("espeak-ng") is None and not os.environ.get("CI"):
        pytest.skip("the library espeak-ng is missing")
    return write_toy(tmp_path / "packages")


def test_a_corpus_grows_where_it_stopped_and_a_sentence_sounds_the_same(
    toy: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    told: list[float] = []
    first = speak(tmp_path / "one", SENTENCES, 0.0001, toy, 1, told.append)
    entries = read_manifest(tmp_path / "one" / "manifest.tsv")
    assert len(entries) == 8  # a block
    assert first == told[-1] > 0.0001
    for entry in entries:
        audio, rate = soundfile.read(entry.path)
        assert rate == 16000
        assert np.abs(audio).max() == pytest.approx(0.7, abs=0.01)
        assert entry.language == "hi"
        assert training_text(entry.text) == entry.text
    before = {entry.path: entry.path.stat().st_mtime_ns for entry in entries}
    entries[3].path.unlink()
    lines = (tmp_path / "one" / "manifest.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
    del lines[4]
    (tmp_path / "one" / "manifest.tsv").write_text("".join(lines), encoding="utf-8")
    speak(tmp_path / "one", SENTENCES, 1.0, toy, 1)
    after = read_manifest(tmp_path / "one" / "manifest.tsv")
    assert sorted(entry.text for entry in after) == sorted(SENTENCES)
    changed = [path for path, time in before.items() if path.stat().st_mtime_ns != time]
    assert changed == [entries[3].path]
    speak(tmp_path / "two", SENTENCES[:4], 1.0, toy, 1)
    assert (tmp_path / "two" / "clips" / "000003.flac").read_bytes() == entries[3].path.read_bytes()


def test_styles_mix_voices_and_leave_out_those_that_whisper(toy: tuple[Path, Path, Path]) -> None:
    voices = read_voices(toy[1])
    assert set(voices) == {"af_one", "am_two", "hf_three", "hm_four", "af_nicole"}
    made = [mixed_style(voices, 5, np.random.default_rng(n)) for n in range(300)]
    names = [name for name, _ in made]
    assert not any(voice in name for name in names for voice in NOT_SPEAKING)
    alone = sum("*" not in name for name in names)
    led = [(name, style) for name, style in made if "~h" in name]
    assert 30 < alone < 90
    assert 80 < len(led) < 170
    assert all(style.shape == (256,) for _, style in made)
    assert all(style[0] != style[-1] or "*0" in name for name, style in led)


def test_what_cannot_be_spoken_has_no_clip(toy: tuple[Path, Path, Path]) -> None:
    kokoro = Kokoro(toy[0], read_voices(toy[1]), read_vocabulary(toy[2]))
    assert kokoro.signs("kaː?") == [3, 1, 2]
    assert kokoro.clip(0, "xx") is None
    assert kokoro.clip(0, "k" * 401) is None
    assert trimmed(np.zeros(100, np.float32)) is None


def test_the_faster_of_two_models_is_one_of_them(toy: tuple[Path, Path, Path]) -> None:
    made = float_model(toy[0])
    assert made.name == "kokoro.float32.onnx"
    assert faster([toy[0], made], read_voices(toy[1]), read_vocabulary(toy[2])) in (toy[0], made)


def quantised_graph(rng: np.random.Generator) -> tuple[onnx.ModelProto, np.ndarray, np.ndarray, np.ndarray]:
    """A convolution with an integer bias and a product by channel, in the form of dynamic quantisation.

    Returns the model and the weights that its integers stand for.
    """
    kernel, matrix = (rng.integers(0, 255, shape).astype(np.uint8) for shape in ((4, 3, 5), (4, 6)))
    kernel_scale, matrix_scale = np.float32(0.01), rng.uniform(0.005, 0.02, 6).astype(np.float32)
    zero, zeros = np.uint8(120), rng.integers(100, 150, 6).astype(np.uint8)
    bias = rng.normal(0, 1, 4).astype(np.float32)
    constants = {
        "kernel": kernel, "kernel_scale": kernel_scale, "zero": zero, "bias": bias,
        "matrix": matrix, "matrix_scale": matrix_scale, "zeros": zeros, "shape": np.array([1, 4, 1]),
    }  # fmt: skip
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["xq", "xs", "xz"]),
        helper.make_node("Mul", ["xs", "kernel_scale"], ["bias_scale"]),
        helper.make_node("Div", ["bias", "bias_scale"], ["divided"]),
        helper.make_node("Floor", ["divided"], ["rounded"]),
        helper.make_node("Cast", ["rounded"], ["integers"], to=TensorProto.INT32),
        helper.make_node("Reshape", ["integers", "shape"], ["added"]),
        helper.make_node("ConvInteger", ["xq", "kernel", "xz", "zero"], ["c"], name="conv", pads=[2, 2]),
        helper.make_node("Add", ["c", "added"], ["cb"]),
        helper.make_node("Cast", ["cb"], ["cf"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["xs", "kernel_scale"], ["cs"]),
        helper.make_node("Mul", ["cf", "cs"], ["conv_out"]),
        helper.make_node("Transpose", ["conv_out"], ["t"], perm=[0, 2, 1]),
        helper.make_node("DynamicQuantizeLinear", ["t"], ["tq", "ts", "tz"]),
        helper.make_node("MatMulInteger", ["tq", "matrix", "tz", "zeros"], ["m"], name="product"),
        helper.make_node("Cast", ["m"], ["mf"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["ts", "matrix_scale"], ["ms"]),
        helper.make_node("Mul", ["mf", "ms"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "toy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, None])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, None, 6])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    kernel_ = (kernel.astype(np.float32) - 120) * kernel_scale
    matrix_ = (matrix.astype(np.float32) - zeros.astype(np.float32)) * matrix_scale
    return model, kernel_, bias, matrix_


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x})[0])


def test_a_graph_without_8_bit_arithmetic_gives_what_its_weights_give() -> None:
    rng = np.random.default_rng(0)
    model, kernel, bias, matrix = quantised_graph(rng)
    made = dequantised(model)
    onnx.checker.check_model(made)
    assert [node.op_type for node in made.graph.node] == ["Conv", "Transpose", "MatMul"]
    assert {constant.name for constant in made.graph.initializer} == {
        "kernel.float32", "bias", "matrix.float32",
    }  # fmt: skip
    x = rng.normal(0, 1, (1, 3, 11)).astype(np.float32)
    padded = np.pad(x[0], ((0, 0), (2, 2)))
    windows = np.stack([padded[:, n : n + 5] for n in range(11)])
    expected = (np.einsum("tik,oik->to", windows, kernel) + bias) @ matrix
    assert np.abs(run(made, x)[0] - expected).max() < 1e-4
    assert np.abs(run(model, x) - run(made, x)).max() < 0.05 * np.abs(expected).max()
    assert len(model.graph.node) == 17  # the model itself is not changed
