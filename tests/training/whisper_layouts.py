"""Whisper's encoder written down as others publish it."""

import struct
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.model.network import Encoder


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
