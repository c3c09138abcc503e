"""Whisper's encoder weights are found by name in each layout that they are published in."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import require

require("torch")
require("safetensors")

import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from tests.training.whisper_layouts import hugging_face, openai, write_ctranslate2  # noqa: E402
from training.model.network import Encoder, NetworkConfig  # noqa: E402
from training.model.whisper import load_encoder  # noqa: E402

WIDTH, LAYERS = 8, 2
CONFIG = NetworkConfig(phones=3, characters=3, width=WIDTH, heads=2, layers=LAYERS, positions=20)


@pytest.fixture
def truth() -> Encoder:
    """Random weights that float16 holds; keys have no bias, as in Whisper."""
    torch.manual_seed(3)
    encoder = Encoder(CONFIG)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.copy_(torch.randn_like(parameter).half().float())
        for layer in encoder.layers:
            layer.attention.qkv.bias[WIDTH : 2 * WIDTH] = 0.0
    return encoder


def write_safetensors(truth: Encoder, folder: Path) -> Path:
    save_file(hugging_face(truth), folder / "model.safetensors")
    return folder / "model.safetensors"


def write_hugging_face(truth: Encoder, folder: Path) -> Path:
    torch.save(hugging_face(truth), folder / "pytorch_model.bin")
    return folder / "pytorch_model.bin"


def write_openai(truth: Encoder, folder: Path) -> Path:
    torch.save({"dims": {"n_mels": 80}, "model_state_dict": openai(truth)}, folder / "tiny.pt")
    return folder / "tiny.pt"


@pytest.mark.parametrize("write", [write_ctranslate2, write_hugging_face, write_safetensors, write_openai])
def test_each_layout_gives_the_same_encoder(
    truth: Encoder, tmp_path: Path, write: Callable[[Encoder, Path], Path]
) -> None:
    encoder = Encoder(CONFIG)
    load_encoder(encoder, write(truth, tmp_path))
    for (name, found), wanted in zip(encoder.named_parameters(), truth.parameters(), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0.0, atol=0.0, msg=name)


def test_another_size_is_refused(truth: Encoder, tmp_path: Path) -> None:
    larger = Encoder(NetworkConfig(phones=3, characters=3, width=16, heads=2, layers=LAYERS, positions=20))
    with pytest.raises(ValueError, match=r"of another size: conv1\.weight has the shape \(8, 80, 3\)"):
        load_encoder(larger, write_ctranslate2(truth, tmp_path))


def test_a_missing_weight_is_named(truth: Encoder, tmp_path: Path) -> None:
    weights = {k: v for k, v in hugging_face(truth).items() if "fc1" not in k}
    torch.save(weights, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"has no layers\.0\.fc1\.weight"):
        load_encoder(Encoder(CONFIG), tmp_path / "pytorch_model.bin")


@pytest.mark.parametrize("data", [b"", b"no checkpoint of anything", b"\x06\0\0\0\x0b\0Transformer\0"])
def test_another_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "model.bin").write_bytes(data)
    with pytest.raises(ValueError, match="unknown layout of Whisper's weights"):
        load_encoder(Encoder(CONFIG), tmp_path / "model.bin")


def test_a_cut_file_is_refused(truth: Encoder, tmp_path: Path) -> None:
    path = write_ctranslate2(truth, tmp_path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match="unknown layout of Whisper's weights"):
        load_encoder(Encoder(CONFIG), path)
    other = write_ctranslate2(truth, tmp_path, "TransformerSpec")
    with pytest.raises(ValueError, match="unknown layout of Whisper's weights"):
        load_encoder(Encoder(CONFIG), other)
