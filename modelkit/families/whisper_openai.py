"""Whisper checkpoints of OpenAI's own program, in the names of transformers. Imports torch."""

import json
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file

from modelkit.errors import FamilyUnsupported, SourceInvalid
from modelkit.sources.pickled import load_pickle

OUTSIDE_THE_LAYERS: Final = {
    "encoder.conv1": "encoder.conv1",
    "encoder.conv2": "encoder.conv2",
    "encoder.positional_embedding": "encoder.embed_positions.weight",
    "encoder.ln_post": "encoder.layer_norm",
    "decoder.token_embedding": "decoder.embed_tokens",
    "decoder.positional_embedding": "decoder.embed_positions.weight",
    "decoder.ln": "decoder.layer_norm",
}
LAYER_PARTS: Final = {
    "cross_attn_ln": "encoder_attn_layer_norm",
    "attn_ln": "self_attn_layer_norm",
    "mlp_ln": "final_layer_norm",
    "mlp.0": "fc1",
    "mlp.2": "fc2",
    "cross_attn": "encoder_attn",
    "attn": "self_attn",
}
ATTENTION_PARTS: Final = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "out": "out_proj"}

DIMENSIONS: Final = {
    "n_mels": "num_mel_bins",
    "n_vocab": "vocab_size",
    "n_audio_ctx": "max_source_positions",
    "n_audio_state": "d_model",
    "n_audio_head": "encoder_attention_heads",
    "n_audio_layer": "encoder_layers",
    "n_text_ctx": "max_target_positions",
    "n_text_head": "decoder_attention_heads",
    "n_text_layer": "decoder_layers",
}
"""`dims` of a checkpoint, and where transformers' configuration has them."""

FEED_FORWARD: Final = 4  # widths of the model, in those that OpenAI published


def write_checkpoint(checkpoint: Path, folder: Path) -> None:
    """Write config.json and model.safetensors of a `.pt` file into a folder.

    Raises:
        FamilyUnsupported: it is no checkpoint of Whisper.
        SourceInvalid: its dimensions are impossible, or it has unknown weights.
        WeightsUnsafe: it holds more than tensors and plain values.
    """
    loaded = load_pickle(checkpoint)
    dimensions = loaded.get("dims") if isinstance(loaded, dict) else None
    weights = loaded.get("model_state_dict") if isinstance(loaded, dict) else None
    if not isinstance(dimensions, dict) or not isinstance(weights, dict):
        raise FamilyUnsupported(f"{checkpoint.name} is no Whisper of OpenAI: it has no dims or no weights.")
    if any(type(dimensions.get(name)) is not int or dimensions[name] < 1 for name in DIMENSIONS):
        raise SourceInvalid(f"The dims of {checkpoint.name} must be positive whole numbers.")
    settings: dict[str, Any] = {theirs: dimensions[name] for name, theirs in DIMENSIONS.items()}
    tensors = {
        transformers_name(name): weight.clone().contiguous()  # none may share memory with another
        for name, weight in weights.items()
        if torch.is_tensor(weight)
    }
    for side in ("encoder", "decoder"):
        inner = tensors.get(f"model.{side}.layers.0.fc1.weight")
        settings[f"{side}_ffn_dim"] = FEED_FORWARD * settings["d_model"] if inner is None else len(inner)
    settings |= {"model_type": "whisper", "pad_token_id": None}
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def transformers_name(name: str) -> str:
    """Return transformers' name of a weight.

    Raises:
        SourceInvalid: Whisper has no such weight.
    """
    for ours, theirs in OUTSIDE_THE_LAYERS.items():
        if name == ours or name.startswith(f"{ours}."):
            return f"model.{theirs}{name[len(ours) :]}"
    side, _, rest = name.partition(".blocks.")
    number, _, part = rest.partition(".")
    for ours, theirs in LAYER_PARTS.items():
        if part.startswith(f"{ours}."):
            head, dot, tail = part[len(ours) + 1 :].partition(".")
            return f"model.{side}.layers.{number}.{theirs}.{ATTENTION_PARTS.get(head, head)}{dot}{tail}"
    raise SourceInvalid(f"A Whisper has no weight {name[:100]!r}.")
