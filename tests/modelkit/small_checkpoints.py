"""Checkpoints of the true architectures with small random weights, made by transformers itself."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
import transformers

CHARACTERS: Final = "अआइईउएऐओकखगघचछजझटठडढणतथदधनपफबभमयरलवशसहािीुूेैोौ्ंँ़"
SPECIAL: Final = ("[UNK]", "[PAD]")
_LAYER_NORM: Final = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
_SIZES: Final = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
_CONVOLUTIONS: Final = {
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
KINDS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "wav2vec2-base": ("Wav2Vec2", _CONVOLUTIONS),
    "wav2vec2-xlsr": ("Wav2Vec2", {**_CONVOLUTIONS, **_LAYER_NORM}),
    "hubert": ("Hubert", {**_CONVOLUTIONS, **_LAYER_NORM}),
    "wavlm": ("WavLM", {**_CONVOLUTIONS, **_LAYER_NORM}),
    "w2v-bert": ("Wav2Vec2Bert", {"conv_depthwise_kernel_size": 7}),
}
"""Prefix of the classes and settings by kind."""


def vocabulary() -> dict[str, int]:
    """Ids as fine-tuning scripts give them: the word delimiter first, the blank last."""
    return {token: index for index, token in enumerate(["|", *CHARACTERS, *SPECIAL])}


def make_checkpoint(folder: Path, kind: str, seed: int = 0, **settings: Any) -> Path:
    """Save model, tokenizer and feature extractor of one of `KINDS`.

    Args:
        settings: of the model's configuration, besides those of the kind.
    """
    prefix, own = KINDS[kind]
    ids = vocabulary()
    folder.mkdir(parents=True)
    settings = {"vocab_size": len(ids), "pad_token_id": ids["[PAD]"], **_SIZES, **own, **settings}
    torch.manual_seed(seed)
    model = getattr(transformers, f"{prefix}ForCTC")(getattr(transformers, f"{prefix}Config")(**settings))
    talkative(model)
    model.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(ids, ensure_ascii=False), encoding="utf-8")
    tokenizer = transformers.Wav2Vec2CTCTokenizer(
        str(folder / "vocab.json"), unk_token="[UNK]", pad_token="[PAD]", word_delimiter_token="|"
    )
    tokenizer.save_pretrained(folder)
    if prefix == "Wav2Vec2Bert":
        extractor = transformers.SeamlessM4TFeatureExtractor()
    else:
        extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=kind != "hubert")
    extractor.save_pretrained(folder)
    return folder


def talkative(model: Any) -> None:
    """Make the random head's best token change from frame to frame, and never be unknown."""
    with torch.no_grad():
        model.lm_head.weight.normal_(0.0, 1.0)
        model.lm_head.bias.zero_()
        model.lm_head.bias[vocabulary()["[UNK]"]] = -50.0


def load_pipeline(folder: Path) -> tuple[Any, Any]:
    """Load what make_checkpoint saved as its users do: processor and model."""
    prefix = _prefix(folder)
    processor = "Wav2Vec2Bert" if prefix == "Wav2Vec2Bert" else "Wav2Vec2"
    return getattr(transformers, f"{processor}Processor").from_pretrained(folder), load_model(folder)


def load_model(folder: Path) -> Any:
    """Load a checkpoint's model with transformers' own loader."""
    return getattr(transformers, f"{_prefix(folder)}ForCTC").from_pretrained(folder).eval()


def _prefix(folder: Path) -> str:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return str(config["architectures"][0]).removesuffix("ForCTC")


def save_adapter(folder: Path, language: str, tokens: Mapping[str, int]) -> None:
    """Add weights and tokens of a language to a checkpoint with `adapter_attn_dim`, as MMS has them.

    Args:
        language: ISO 639-3.
    """
    from safetensors.torch import save_file

    model = load_model(folder)
    model.lm_head = torch.nn.Linear(model.config.hidden_size, len(tokens))
    save_file(model._get_adapters(), folder / f"adapter.{language}.safetensors")
    path = folder / "vocab.json"
    vocabularies = json.loads(path.read_text(encoding="utf-8"))
    if not all(isinstance(value, dict) for value in vocabularies.values()):
        vocabularies = {}
        for name in ("tokenizer_config.json", "added_tokens.json"):
            (folder / name).unlink()
    path.write_text(json.dumps({**vocabularies, language: tokens}, ensure_ascii=False), encoding="utf-8")
