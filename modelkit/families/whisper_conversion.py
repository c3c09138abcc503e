"""A Whisper checkpoint of transformers in CTranslate2's layout.

Imported when one is converted: it needs torch, transformers and CTranslate2.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from ctranslate2.converters.transformers import WhisperLoader
from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration

from modelkit.errors import SourceInvalid
from modelkit.sources.pickled import load_state_dict, weight_names

GENERATION: Final = "generation_config.json"
PREFIX: Final = "model."
OUTPUT: Final = "proj_out.weight"
"""The output layer, which is the table of embeddings in every Whisper. Checkpoints may leave it out."""

EMBEDDINGS: Final = "model.decoder.embed_tokens.weight"


class _Tokens:
    """What CTranslate2's converter asks of a tokenizer."""

    additional_special_tokens: tuple[str, ...] = ()

    def __init__(self, ids: Mapping[str, int]) -> None:
        self._ids = ids

    def get_vocab(self) -> dict[str, int]:
        return dict(self._ids)


def convert_checkpoint(source: Path, target: Path, config: Mapping[str, Any], ids: Mapping[str, int]) -> None:
    """Write model.bin, config.json and the vocabulary.

    Args:
        config: the content of config.json.
        ids: of all tokens without those for times.

    Raises:
        SourceInvalid: configuration, weights and tokenizer do not fit together.
        WeightsUnsafe: see `load_state_dict`.
    """
    (weights, *_) = weight_names(path.name for path in source.iterdir())
    network = _network(config, load_state_dict(source / weights))
    if len(ids) > network.config.vocab_size:
        raise SourceInvalid(f"The tokenizer has {len(ids)} tokens, the network {network.config.vocab_size}.")
    if (source / GENERATION).is_file():
        try:
            network.generation_config = GenerationConfig.from_pretrained(source, local_files_only=True)
        except Exception as error:  # its types are many
            raise SourceInvalid(f"{GENERATION} cannot be used: {error}") from error
    for name in ("suppress_tokens", "begin_suppress_tokens"):
        if getattr(network.generation_config, name, None) is None:
            setattr(network.generation_config, name, config.get(name) or [])
    if getattr(network.generation_config, "alignment_heads", ()) is None:
        del network.generation_config.alignment_heads
    network.generation_config.lang_to_id = {
        token: number for token, number in ids.items() if token[:2] == "<|" and 2 <= len(token) - 4 <= 3
    }
    try:
        with torch.no_grad():
            made = WhisperLoader()(network, _Tokens(ids))
        made.validate()
        made.optimize(quantization="float32")
        made.save(str(target))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SourceInvalid(f"The checkpoint cannot be converted: {error}") from error


def _network(config: Mapping[str, Any], state: dict[str, torch.Tensor]) -> WhisperForConditionalGeneration:
    """Build the network without transformers' own loader, which tolerates missing weights."""
    settings = {name: value for name, value in config.items() if name not in {"dtype", "torch_dtype"}}
    try:
        with torch.device("meta"):
            network = WhisperForConditionalGeneration(WhisperConfig(**settings))
    except Exception as error:  # whatever the configuration leads to
        raise SourceInvalid(f"config.json describes no Whisper: {error}") from error
    expected = network.state_dict()
    state = {name if name in expected else PREFIX + name: value for name, value in state.items()}
    if EMBEDDINGS in state:
        state.setdefault(OUTPUT, state[EMBEDDINGS])
    if odd := expected.keys() ^ state.keys():
        kind = "lacks" if min(odd) in expected else "has an unknown"
        raise SourceInvalid(f"The checkpoint {kind} tensor {min(odd)}.")
    for name, value in state.items():
        if value.shape != expected[name].shape:
            raise SourceInvalid(
                f"The tensor {name} has the shape {tuple(value.shape)}, not {tuple(expected[name].shape)}."
            )
        if not math.isfinite(value.float().sum()):
            raise SourceInvalid(f"The tensor {name} has values that are no numbers.")
    network.load_state_dict({name: value.float() for name, value in state.items()}, assign=True)
    return network.eval().requires_grad_(False)
