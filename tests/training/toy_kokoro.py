"""A speech synthesiser of Kokoro's shape that hums: the style's first value is loudness."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SAMPLES_A_SIGN = 2400


def write_toy(folder: Path) -> tuple[Path, Path, Path]:
    """Model, voices and vocabulary as `training.synthesis.kokoro.speak` takes them."""
    folder.mkdir(parents=True, exist_ok=True)
    steps = np.arange(SAMPLES_A_SIGN) / 24000
    hum = (0.3 * np.sin(2 * np.pi * 200 * steps)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["tokens"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["floats", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "one"], ["ones"]),
        helper.make_node("Transpose", ["ones"], ["column"], perm=[1, 0]),
        helper.make_node("MatMul", ["column", "hum"], ["matrix"]),
        helper.make_node("Reshape", ["matrix", "flat"], ["line"]),
        helper.make_node("ReduceMean", ["style"], ["loudness"], keepdims=0),
        helper.make_node("Mul", ["line", "loudness"], ["loud"]),
        helper.make_node("Mul", ["loud", "speed"], ["audio"]),
    ]
    constants = {
        "zero": np.zeros((1, 1), np.float32),
        "one": np.ones((1, 1), np.float32),
        "hum": hum[None],
        "flat": np.array([-1], np.int64),
    }
    graph = helper.make_graph(
        nodes, "toy",
        [
            helper.make_tensor_value_info("tokens", TensorProto.INT64, [1, None]),
            helper.make_tensor_value_info("style", TensorProto.FLOAT, [1, 256]),
            helper.make_tensor_value_info("speed", TensorProto.FLOAT, [1]),
        ],
        [helper.make_tensor_value_info("audio", TensorProto.FLOAT, [None])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, folder / "kokoro.onnx")
    voices = folder / "kokoro-voices"
    voices.mkdir(exist_ok=True)
    for number, name in enumerate(("af_one", "am_two", "hf_three", "hm_four", "af_nicole"), 1):
        np.full((510, 256), number / 5, np.float32).tofile(voices / f"{name}.bin")
    vocabulary = folder / "kokoro-config.json"
    vocabulary.write_text('{"vocab": {"a": 1, "ː": 2, "k": 3, "ɾ": 4, "ə": 5, " ": 6}}', encoding="utf-8")
    return folder / "kokoro.onnx", voices, vocabulary
