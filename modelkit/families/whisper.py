"""Whisper models: CTranslate2's layout as it is, Hugging Face's converted to it.

Nothing here imports torch, transformers or CTranslate2 before `convert`. No code of the source is run.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from modelkit.errors import ExtraMissing, FamilyUnsupported, SourceInvalid
from modelkit.families.protocol import Listing, Wishes
from modelkit.sources.configuration import CONFIG, read_config
from modelkit.sources.pickled import weight_names
from speech import CTRANSLATE2_WEIGHTS, ModelInvalid
from speech.recognisers import whisper_tokens

VOCABULARIES: Final = ("vocabulary.json", "vocabulary.txt")
"""Of CTranslate2's layout."""

TOKENIZER: Final = "tokenizer.json"
SLOW_TOKENIZER: Final = ("vocab.json", "added_tokens.json")
OPENAI: Final = ".pt"
GENERATION: Final = "generation_config.json"
"""Tokens that are never written and heads that give times; read if it is there."""

MAX_SEGMENT_SECONDS: Final = 30.0
MIN_SAMPLES: Final = 1600
SAMPLE_RATE: Final = 16_000
FRAME_STRIDE: Final = 0.02

ENGLISH_TOKENS: Final = 51_864
"""Vocabulary of the English-only models. The multilingual ones have one token more, or two."""

MODEL_TYPE: Final = "whisper"
SPACE: Final = "Ġ"
END: Final = "<|endoftext|>"
SPECIAL: Final = ("<|startoftranscript|>", "<|endoftext|>", "<|transcribe|>", "<|notimestamps|>")


class Whisper:
    """A Whisper model that knows the wanted language."""

    name = "Whisper"

    def wanted(self, listing: Listing) -> Sequence[str] | None:
        if listing.config.get("model_type") == MODEL_TYPE:
            return _wanted_checkpoint(listing)
        if CTRANSLATE2_WEIGHTS in listing.sizes and CONFIG in listing.sizes and "lang_ids" in listing.config:
            return _wanted_ctranslate2(listing)
        return _wanted_openai(listing)

    def convert(self, source: Path, target: Path, wishes: Wishes) -> dict[str, Any]:
        if (source / CTRANSLATE2_WEIGHTS).is_file():
            _copy(source, target)
            conversion, decoding = {"layout": "CTranslate2"}, {"padding": "zero"}  # as faster-whisper pads
        else:
            wishes.tell("Converting to CTranslate2's layout.")
            conversion, decoding = {"layout": _convert(source, target)}, {}
        _check_language(target, wishes.language)
        return {
            "family": "whisper",
            "language": wishes.language,
            "sample_rate": SAMPLE_RATE,
            "frame_stride": FRAME_STRIDE,
            "min_samples": MIN_SAMPLES,
            "max_segment_seconds": MAX_SEGMENT_SECONDS,
            "conversion": conversion,
            "decoding": decoding,
        }


def _wanted_checkpoint(listing: Listing) -> list[str]:
    """A checkpoint in Hugging Face's layout."""
    if listing.config.get("vocab_size") == ENGLISH_TOKENS:
        raise FamilyUnsupported("This is an English-only Whisper. Choose a multilingual one.")
    weights = weight_names(listing.sizes)
    if not weights:
        raise SourceInvalid("This Whisper checkpoint has no weights.")
    others = [GENERATION] if GENERATION in listing.sizes else []
    return [CONFIG, *weights, *_wanted_tokenizer(listing), *others]


def _wanted_tokenizer(listing: Listing) -> list[str]:
    tokenizer = [TOKENIZER] if TOKENIZER in listing.sizes else list(SLOW_TOKENIZER)
    if any(name not in listing.sizes for name in tokenizer):
        raise SourceInvalid(
            f"This Whisper checkpoint has no tokenizer: neither {TOKENIZER} nor "
            f"{' and '.join(SLOW_TOKENIZER)}. Put that of the Whisper it was made from beside it."
        )
    return tokenizer


def _wanted_ctranslate2(listing: Listing) -> list[str]:
    vocabulary = next((name for name in VOCABULARIES if name in listing.sizes), None)
    if vocabulary is None:
        raise SourceInvalid(f"This Whisper model has no vocabulary: neither {' nor '.join(VOCABULARIES)}.")
    return [CTRANSLATE2_WEIGHTS, CONFIG, vocabulary]


def _wanted_openai(listing: Listing) -> list[str] | None:
    """A `.pt`, such as small.pt, with a tokenizer beside it: other families have a configuration."""
    checkpoints = [name for name in listing.sizes if name.endswith(OPENAI) and "/" not in name]
    if listing.config or len(checkpoints) != 1:
        return None
    return [*checkpoints, *_wanted_tokenizer(listing)]


def _copy(source: Path, target: Path) -> None:
    read_config(source / CONFIG)
    for name in (CTRANSLATE2_WEIGHTS, CONFIG, *VOCABULARIES):
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def _check_language(folder: Path, language: str) -> None:
    """Refuse a model that does not know a language, or has no usable vocabulary."""
    try:
        tokens = whisper_tokens(folder)
    except ModelInvalid as error:
        raise SourceInvalid(f"The tokenizer cannot be used: {error.message}") from error
    missing = [name for name in SPECIAL if name not in tokens]
    if missing:
        raise SourceInvalid(f"The vocabulary lacks {', '.join(missing)}: it is not one of a Whisper.")
    known = sum(_is_language(token) for token in tokens)
    subtag = language.split("-")[0].lower()
    if not known:
        raise FamilyUnsupported("This is an English-only Whisper. Choose a multilingual one.")
    if f"<|{subtag}|>" not in tokens:
        raise FamilyUnsupported(f"This Whisper does not know the language {language!r}.")


def _is_language(token: str) -> bool:
    name = token.removeprefix("<|").removesuffix("|>")
    return token == f"<|{name}|>" and name.isalpha() and name.islower() and len(name) in {2, 3}


def _convert(source: Path, target: Path) -> str:
    """Write CTranslate2's files of a checkpoint. Returns whose layout it had.

    Raises:
        ExtraMissing: torch, transformers or CTranslate2 is not installed.
        SourceInvalid, WeightsUnsafe: see `modelkit.errors`.
    """
    checkpoints = list(source.glob(f"*{OPENAI}"))
    tokens = _tokens(source)
    try:
        from modelkit.families.whisper_conversion import convert_checkpoint
        from modelkit.families.whisper_openai import write_checkpoint
    except ImportError as error:
        raise ExtraMissing(
            f"Converting a Whisper needs {error.name}: pip install 'shrutlekh[convert,whisper]'."
        ) from error
    if checkpoints:
        write_checkpoint(checkpoints[0], source)
    config = read_config(source / CONFIG)
    if checkpoints:
        config |= _suppressed(tokens, config["vocab_size"])
    convert_checkpoint(source, target, config, tokens)
    return "OpenAI" if checkpoints else "Hugging Face"


def _suppressed(ids: dict[str, int], outputs: int) -> dict[str, list[int]]:
    """What OpenAI's program knows without a configuration: no text begins with a space or the end, or has a
    special token or a time in it."""
    special = [number for token, number in ids.items() if token.startswith("<|") and token != END]
    return {
        "begin_suppress_tokens": [ids[name] for name in (SPACE, END) if name in ids],
        "suppress_tokens": sorted({*special, *range(len(ids), outputs)}),
    }


def _tokens(source: Path) -> dict[str, int]:
    """Read the ids of a tokenizer in Hugging Face's layout.

    Raises:
        SourceInvalid: it is unreadable, or its ids have gaps.
    """
    ids: dict[str, int] = {}
    try:
        if (source / TOKENIZER).is_file():
            tokenizer = json.loads((source / TOKENIZER).read_text(encoding="utf-8"))
            ids |= tokenizer["model"]["vocab"]
            ids |= {token["content"]: token["id"] for token in tokenizer.get("added_tokens", ())}
        else:
            for name in (SLOW_TOKENIZER[0], "added_tokens.json"):
                if (source / name).is_file():
                    ids |= json.loads((source / name).read_text(encoding="utf-8"))
        if sorted(ids.values()) != list(range(len(ids))):
            raise ValueError("its ids are not numbered from 0 without a gap")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceInvalid(f"The tokenizer cannot be used: {error}.") from error
    return ids


FAMILY = Whisper()
