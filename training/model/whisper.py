"""Read Whisper's encoder weights from a checkpoint in any of three layouts.

CTranslate2 (``model.bin`` of a converted model, as faster-whisper uses), Hugging Face (``model.safetensors``
or ``pytorch_model.bin``) and OpenAI (a ``.pt`` file). Whisper's weights are MIT-licensed.
"""

import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from training.model.network import Encoder

Weights = Mapping[str, Tensor]

_LAYER = re.compile(r"layers\.(\d+)\.(.+)")

# Names of the parts of an encoder layer and of the encoder. Tensors of several names are concatenated.
_CTRANSLATE2 = {
    "conv1": ("conv1",),
    "conv2": ("conv2",),
    "norm": ("layer_norm",),
    "attention_norm": ("self_attention/layer_norm",),
    "attention.qkv": ("self_attention/linear_0",),
    "attention.out": ("self_attention/linear_1",),
    "feed_norm": ("ffn/layer_norm",),
    "up": ("ffn/linear_0",),
    "down": ("ffn/linear_1",),
}
_HUGGING_FACE = {
    "conv1": ("conv1",),
    "conv2": ("conv2",),
    "norm": ("layer_norm",),
    "attention_norm": ("self_attn_layer_norm",),
    "attention.qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attention.out": ("self_attn.out_proj",),
    "feed_norm": ("final_layer_norm",),
    "up": ("fc1",),
    "down": ("fc2",),
}
_OPENAI = {
    "conv1": ("conv1",),
    "conv2": ("conv2",),
    "norm": ("ln_post",),
    "attention_norm": ("attn_ln",),
    "attention.qkv": ("attn.query", "attn.key", "attn.value"),
    "attention.out": ("attn.out",),
    "feed_norm": ("mlp_ln",),
    "up": ("mlp.0",),
    "down": ("mlp.2",),
}
_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
"""CTranslate2's type codes."""


def load_encoder(encoder: Encoder, path: Path) -> None:
    """Load the weights of a Whisper checkpoint of the same size into `encoder`.

    Raises:
        ValueError: the file has none of the three layouts, lacks a weight, or has another size.
    """
    found = read_encoder(path, dict(encoder.named_parameters()))
    for name, parameter in encoder.named_parameters():
        if parameter.shape != found[name].shape:
            raise ValueError(
                f"{path} is a Whisper of another size: {name} has the shape {tuple(found[name].shape)}, "
                f"not {tuple(parameter.shape)}."
            )
        with torch.no_grad():
            parameter.copy_(found[name])


def read_encoder(path: Path, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Read float32 weights under the names of `wanted`, the parameters of a `training.model.network.Encoder`.

    Raises:
        ValueError: the file has none of the three layouts, or lacks a weight.
    """
    stored, layout = _read(path)
    try:
        return {name: _weight(stored, name, layout) for name in wanted}
    except KeyError as error:
        raise ValueError(f"{path} is not a Whisper checkpoint: it has no {error.args[0]}.") from None


def _read(path: Path) -> tuple[Weights, str]:
    """Return all stored weights, with encoder names without prefix, and the name of the layout."""
    with path.open("rb") as file:
        start = file.read(9)
    if path.suffix == ".safetensors":
        return _without_prefix(load_file(path)), "hugging face"
    if start.startswith((b"PK", b"\x80")):
        data = torch.load(path, map_location="cpu", weights_only=True)
        if "model_state_dict" in data:
            return _without_prefix(data["model_state_dict"]), "openai"
        return _without_prefix(data), "hugging face"
    return _without_prefix(read_ctranslate2(path)), "ctranslate2"


def _without_prefix(weights: Weights) -> dict[str, Tensor]:
    return {re.sub(r"^(model\.)?encoder[./]", "", name): weight for name, weight in weights.items()}


def _weight(stored: Weights, name: str, layout: str) -> Tensor:
    """Return one parameter of the encoder. A missing key bias is zero, because Whisper's keys have none."""
    module, _, kind = name.rpartition(".")
    layer = _LAYER.fullmatch(module)
    part = layer[2] if layer else module
    if layout == "ctranslate2":
        within = f"layer_{layer[1]}/" if layer else ""
        norm = {"weight": "gamma", "bias": "beta"}
        ending = norm[kind] if part.endswith("norm") else kind
        names = [f"{within}{other}/{ending}" for other in _CTRANSLATE2[part]]
    else:
        table, blocks = (_OPENAI, "blocks") if layout == "openai" else (_HUGGING_FACE, "layers")
        within = f"{blocks}.{layer[1]}." if layer else ""
        names = [f"{within}{other}.{kind}" for other in table[part]]
    if kind == "bias" and len(names) == 3:
        stored = {names[1]: torch.zeros_like(stored[names[0]]), **stored}
    return torch.cat([stored[each].float() for each in names])


def read_ctranslate2(path: Path) -> dict[str, Tensor]:
    """Read all variables of a CTranslate2 ``model.bin``, as float32 or integers.

    Raises:
        ValueError: the file has another format.
    """
    with path.open("rb") as file:
        try:
            (version,) = _unpack(file, "<I")
            specification = _text(file)
            _unpack(file, "<I")
            if not 2 <= version <= 16 or "Whisper" not in specification:
                raise ValueError
            return dict(_variable(file) for _ in range(_unpack(file, "<I")[0]))
        except (ValueError, KeyError, struct.error):
            raise ValueError(f"{path} has an unknown layout of Whisper's weights.") from None


def _variable(file: BinaryIO) -> tuple[str, Tensor]:
    name = _text(file)
    (rank,) = _unpack(file, "<B")
    shape = _unpack(file, f"<{rank}I")
    kind, size = _unpack(file, "<BI")
    stored = np.frombuffer(_exactly(file, size), _TYPES[kind]).reshape(shape)
    return name, torch.tensor(stored.astype(np.float32) if kind == 4 else stored)


def _text(file: BinaryIO) -> str:
    (length,) = _unpack(file, "<H")
    return _exactly(file, length)[:-1].decode()


def _unpack(file: BinaryIO, layout: str) -> tuple[int, ...]:
    return struct.unpack(layout, _exactly(file, struct.calcsize(layout)))


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise ValueError
    return data
