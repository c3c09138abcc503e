"""A Whisper of the true architecture with small random weights, and transformers' own text of a waveform."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import tokenizers
import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from modelkit.families.whisper_openai import DIMENSIONS
from speech.text import transcript_text

LETTERS: Final = "कखगघचछजझटठडढणतथदधनपफबभमयरलवशषसह"
END: Final = "<|endoftext|>"
PROMPT: Final = ("<|startoftranscript|>", "<|hi|>", "<|transcribe|>", "<|notimestamps|>")
SPECIAL: Final = (
    END,
    PROMPT[0],
    "<|en|>",
    "<|hi|>",
    "<|translate|>",
    "<|transcribe|>",
    "<|nospeech|>",
    PROMPT[3],
)
TIMES: Final = 1501
LENGTH: Final = 12
"""Tokens of a text, or fewer."""


def make_tokenizer() -> Tokenizer:
    """Letters alone, behind a space, and some of them in two halves, which no text may show."""
    spell = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    spelled = [spell.pre_tokenize_str(text)[0][0] for letter in LETTERS for text in (letter, f" {letter}")]
    halves = sorted({part for text in spelled[::2] for part in (text[:2], text[2:])})
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys([*spelled, *halves]))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL])
    return tokenizer


def make_whisper(folder: Path, seed: int = 1, **settings: Any) -> Path:
    """Save model and tokenizer, as the hub has them."""
    tokenizer = make_tokenizer()
    end = tokenizer.token_to_id(END)
    tokens = tokenizer.get_vocab_size() + TIMES
    torch.manual_seed(seed)
    config = transformers.WhisperConfig(
        vocab_size=tokens,
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=48,
        decoder_ffn_dim=48,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=tokenizer.token_to_id(PROMPT[0]),
        suppress_tokens=None,
        begin_suppress_tokens=None,
        **settings,
    )
    model = transformers.WhisperForConditionalGeneration(config)
    decoder = model.model.decoder
    with torch.no_grad():  # texts that change from token to token, and end
        decoder.embed_positions.weight.normal_(0.0, 2.0)
        decoder.embed_tokens.weight.normal_(0.0, 0.5)
        decoder.embed_tokens.weight[end] = 0.35 * decoder.embed_positions.weight[LENGTH + len(PROMPT)]
        model.model.encoder.conv1.weight.normal_(0.0, 0.3)
        model.model.encoder.conv2.weight.normal_(0.0, 0.3)
        for layer in decoder.layers:
            layer.encoder_attn.out_proj.weight.normal_(0.0, 0.15)
            layer.encoder_attn.v_proj.weight.normal_(0.0, 0.15)
    generation = model.generation_config
    generation.suppress_tokens = list(range(end + 1, tokens))
    generation.begin_suppress_tokens = [end]
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def whisper_text(checkpoint: Path) -> Callable[[np.ndarray], str]:
    """Return transformers' greedy text of a waveform at 16 kHz, told Hindi and to write no times."""
    model = transformers.WhisperForConditionalGeneration.from_pretrained(checkpoint).eval()
    tokenizer = tokenizers.Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    extractor = transformers.WhisperFeatureExtractor(feature_size=model.config.num_mel_bins)
    prompt = torch.tensor([[tokenizer.token_to_id(name) for name in PROMPT]])

    def text(waveform: np.ndarray) -> str:
        features = extractor(waveform, sampling_rate=16_000, return_tensors="pt").input_features
        with torch.no_grad():
            ids = transformers.GenerationMixin.generate(
                model, features, decoder_input_ids=prompt, do_sample=False, num_beams=1, max_new_tokens=400
            )
        found = tokenizer.decode(ids[0, prompt.shape[1] :].tolist(), skip_special_tokens=True)
        return " ".join(transcript_text(found.replace("\N{REPLACEMENT CHARACTER}", "")).split())

    return text


OPENAI_NAMES = (
    ("model.encoder.embed_positions.weight", "encoder.positional_embedding"),
    ("model.decoder.embed_positions.weight", "decoder.positional_embedding"),
    ("model.decoder.embed_tokens", "decoder.token_embedding"),
    ("model.encoder.layer_norm", "encoder.ln_post"),
    ("model.decoder.layer_norm", "decoder.ln"),
    (".layers.", ".blocks."),
    ("encoder_attn_layer_norm", "cross_attn_ln"),
    ("self_attn_layer_norm", "attn_ln"),
    ("final_layer_norm", "mlp_ln"),
    ("encoder_attn", "cross_attn"),
    ("self_attn", "attn"),
    ("q_proj", "query"),
    ("k_proj", "key"),
    ("v_proj", "value"),
    ("out_proj", "out"),
    ("fc1", "mlp.0"),
    ("fc2", "mlp.2"),
    ("model.", ""),
)


def openai_checkpoint(checkpoint: Path, folder: Path) -> None:
    """Write a checkpoint as OpenAI's program saves it, with the tokenizer beside it."""
    from safetensors.torch import load_file

    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    weights = {}
    for name, weight in load_file(checkpoint / "model.safetensors").items():
        for ours, theirs in OPENAI_NAMES:
            name = name.replace(ours, theirs)
        if name != "proj_out.weight":
            weights[name] = weight
    dimensions = {theirs: config[ours] for theirs, ours in DIMENSIONS.items()}
    folder.mkdir()
    torch.save({"dims": dimensions, "model_state_dict": weights}, folder / "small.pt")
    for name in ("tokenizer.json", "vocab.json", "added_tokens.json"):
        if (checkpoint / name).is_file():
            shutil.copyfile(checkpoint / name, folder / name)
