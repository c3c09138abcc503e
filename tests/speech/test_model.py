from collections.abc import Callable
from pathlib import Path

import pytest

from speech import ModelFolder, ModelInvalid, ModelNotFound, read_tokens
from tests.speech.sounds import TOKENS


def test_a_folder_is_read(model_path: Path) -> None:
    model = ModelFolder.load(model_path)
    assert (model.name, model.sample_rate, model.frame_stride, model.tokens) == (
        "loudness",
        16_000,
        0.04,
        TOKENS,
    )
    assert model.graph() == model_path / "model.onnx"
    model.verify_hashes()


def test_the_precision_says_which_graph_transcribes(make_model: Callable[..., Path]) -> None:
    folder = make_model(precision="int8")
    model = ModelFolder.load(folder)
    with pytest.raises(ModelInvalid, match=r"no model\.int8\.onnx"):
        model.graph()
    (folder / "model.int8.onnx").write_bytes(b"")
    assert model.graph() == folder / "model.int8.onnx"
    assert model.graph("float32") == folder / "model.onnx"
    with pytest.raises(ModelInvalid, match="no precision 'int4'"):
        model.graph("int4")


def test_no_folder(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ModelNotFound, match=r"no model\.json"):
            ModelFolder.load(path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": 2}, "has format 2"),
        ({"format": None}, "'format' must be a whole number, and is missing"),
        ({"name": 7}, "'name' must be a text, not 7"),
        ({"family": "transducer"}, "family 'transducer'"),
        ({"precision": "int4"}, "the precision 'int4'; there are float32, int8"),
        ({"precision": 8}, "'precision' must be a text"),
        ({"sample_rate": "16000"}, "'sample_rate' must be a whole number"),
        ({"sample_rate": 0}, "'sample_rate' must be in"),
        ({"frame_stride": True}, "'frame_stride' must be a number"),
        ({"blank_id": len(TOKENS)}, "'blank_id' must be in"),
        ({"max_segment_seconds": 0}, "'max_segment_seconds' must be in"),
        ({"training": []}, "'training' must be an object"),
        ({"evaluation": [1]}, "'evaluation' must be a list of objects"),
        ({"files": {"../other": "0" * 64}}, "'files' must be file names inside the folder"),
        ({"files": {"model.onnx": "short"}}, "'files' must be"),
    ],
)
def test_what_model_json_may_not_say(
    make_model: Callable[..., Path], changes: dict[str, object], says: str
) -> None:
    with pytest.raises(ModelInvalid) as caught:
        ModelFolder.load(make_model(**changes))
    assert says in caught.value.message


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_model_json_that_is_none(make_model: Callable[..., Path], content: bytes) -> None:
    folder = make_model()
    (folder / "model.json").write_bytes(content)
    with pytest.raises(ModelInvalid):
        ModelFolder.load(folder)


def test_hashes(make_model: Callable[..., Path]) -> None:
    folder = make_model()
    model = ModelFolder.load(folder)
    (folder / "tokens.txt").write_bytes((folder / "tokens.txt").read_bytes() + b"\n")
    with pytest.raises(ModelInvalid, match=r"tokens\.txt of the model loudness is not the file"):
        model.verify_hashes()
    (folder / "model.onnx").unlink()
    with pytest.raises(ModelInvalid, match=r"model\.onnx, which cannot be read"):
        model.verify_hashes()
    with pytest.raises(ModelInvalid, match=r"has no model\.int8\.onnx"):
        model.graph("int8")


@pytest.mark.parametrize(
    ("lines", "tokens"),
    [
        ("<blk> 0\n▁ 1\n", ("<blk>", "▁")),
        ("▁ 1\r\n<blk> 0\r\n\r\n", ("<blk>", "▁")),
        ("<blk> 0\n  1\n", ("<blk>", " ")),
    ],
)
def test_tokens(tmp_path: Path, lines: str, tokens: tuple[str, ...]) -> None:
    (tmp_path / "tokens.txt").write_bytes(lines.encode())
    assert read_tokens(tmp_path / "tokens.txt") == tokens


@pytest.mark.parametrize("lines", ["", "a 0\nb 2\n", "a 0\nb 0\n", "a\n", "a 0\nb x\n", "a -1\n", "a 1\n"])
def test_tokens_that_are_none(tmp_path: Path, lines: str) -> None:
    (tmp_path / "tokens.txt").write_text(lines)
    with pytest.raises(ModelInvalid):
        read_tokens(tmp_path / "tokens.txt")
