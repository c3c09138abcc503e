"""Whisper's encoder weights are found by name in each layout that they are published in."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.training.conftest import require

require("torch")
require("safetensors")

import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from torch import Tensor  # noqa: E402

from training.network import Encoder, NetworkConfig  # noqa: E402
from training.whisper import load_encoder  # noqa: E402

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


def renamed(
    truth: Encoder, parts: dict[str, str], layers: str, split: tuple[str, str, str]
) -> dict[str, Tensor]:
    """The encoder's weights under the names of a layout of PyTorch, queries, keys and values apart."""
    weights = {}
    for name, parameter in truth.named_parameters():
        module, _, kind = name.rpartition(".")
        at = ""
        if module.startswith("layers."):
            _, number, module = module.split(".", 2)
            at = f"{layers}.{number}."
        if module == "attention.qkv":
            for part, weight in zip(split, parameter.detach().chunk(3), strict=True):
                if (part, kind) != (split[1], "bias"):
                    weights[f"encoder.{at}{part}.{kind}"] = weight.clone()
        else:
            weights[f"encoder.{at}{parts[module]}.{kind}"] = parameter.detach().clone()
    return weights


def hugging_face(truth: Encoder) -> dict[str, Tensor]:
    parts = {
        "conv1": "conv1", "conv2": "conv2", "norm": "layer_norm", "attention_norm": "self_attn_layer_norm",
        "attention.out": "self_attn.out_proj", "feed_norm": "final_layer_norm", "up": "fc1", "down": "fc2",
    }  # fmt: skip
    split = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
    made = renamed(truth, parts, "layers", split)
    return {f"model.{name}": weight for name, weight in made.items()} | {"model.decoder.x": torch.zeros(2)}


def openai(truth: Encoder) -> dict[str, Tensor]:
    parts = {
        "conv1": "conv1", "conv2": "conv2", "norm": "ln_post", "attention_norm": "attn_ln",
        "attention.out": "attn.out", "feed_norm": "mlp_ln", "up": "mlp.0", "down": "mlp.2",
    }  # fmt: skip
    return renamed(truth, parts, "blocks", ("attn.query", "attn.key", "attn.value"))


def write_safetensors(truth: Encoder, folder: Path) -> Path:
    save_file(hugging_face(truth), folder / "model.safetensors")
    return folder / "model.safetensors"


def write_hugging_face(truth: Encoder, folder: Path) -> Path:
    torch.save(hugging_face(truth), folder / "pytorch_model.bin")
    return folder / "pytorch_model.bin"


def write_openai(truth: Encoder, folder: Path) -> Path:
    torch.save({"dims": {"n_mels": 80}, "model_state_dict": openai(truth)}, folder / "tiny.pt")
    return folder / "tiny.pt"


def write_ctranslate2(truth: Encoder, folder: Path, specification: str = "WhisperSpec") -> Path:
    """CTranslate2's binary format, version 6, in float16, with a variable of the decoder first."""
    parts = {
        "conv1": "conv1", "conv2": "conv2", "norm": "layer_norm",
        "attention_norm": "self_attention/layer_norm", "attention.qkv": "self_attention/linear_0",
        "attention.out": "self_attention/linear_1", "feed_norm": "ffn/layer_norm",
        "up": "ffn/linear_0", "down": "ffn/linear_1",
    }  # fmt: skip
    variables = {"decoder/alignment_heads": np.arange(4, dtype=np.int16)}
    for name, parameter in truth.named_parameters():
        module, _, kind = name.rpartition(".")
        at = ""
        if module.startswith("layers."):
            _, number, module = module.split(".", 2)
            at = f"layer_{number}/"
        if module.endswith("norm"):
            kind = {"weight": "gamma", "bias": "beta"}[kind]
        variables[f"encoder/{at}{parts[module]}/{kind}"] = parameter.detach().half().numpy()

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    data = struct.pack("<I", 6) + text(specification) + struct.pack("<II", 3, len(variables))
    for name, values in variables.items():
        kind_ = {np.dtype(np.int16): 2, np.dtype(np.float16): 4}[values.dtype]
        data += text(name) + struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)
        data += struct.pack("<BI", kind_, values.nbytes) + values.tobytes()
    path = folder / "model.bin"
    path.write_bytes(data)
    return path


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
    with pytest.raises(ValueError, match="no layout of Whisper's weights"):
        load_encoder(Encoder(CONFIG), tmp_path / "model.bin")


def test_a_cut_file_is_refused(truth: Encoder, tmp_path: Path) -> None:
    path = write_ctranslate2(truth, tmp_path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match="no layout of Whisper's weights"):
        load_encoder(Encoder(CONFIG), path)
    other = write_ctranslate2(truth, tmp_path, "TransformerSpec")
    with pytest.raises(ValueError, match="no layout of Whisper's weights"):
        load_encoder(Encoder(CONFIG), other)
