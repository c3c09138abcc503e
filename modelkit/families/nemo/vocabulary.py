"""What the outputs of a NeMo model mean, and which of them belong to a language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from modelkit.errors import ExtraMissing, FamilyUnsupported, SourceInvalid
from modelkit.families.nemo.config import section
from speech import WORD_MARK

BLANK: Final = "<blk>"
_ARTIFACT: Final = "nemo:"
"""Prefix of a file's name inside the archive."""
_CONTINUES: Final = "##"
"""Prefix of a WordPiece token that continues a word."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Tokens of the converted model.

    Attributes:
        tokens: by id, the blank last.
        rows: the head's output for each token; without it they are all outputs in their order.
        outputs: how many outputs the head must have, the blank included.
    """

    tokens: tuple[str, ...]
    rows: tuple[int, ...] | None
    outputs: int

    def write(self, path: Path) -> None:
        """Write a tokens.txt."""
        lines = [f"{token} {index}\n" for index, token in enumerate(self.tokens)]
        path.write_text("".join(lines), encoding="utf-8")


def read_vocabulary(config: Mapping[str, Any], files: Mapping[str, Path], language: str) -> Vocabulary:
    """Read the tokens of a model.

    In a multilingual model of AI4Bharat (IndicConformer) each language has a block of outputs of its own, and
    the softmax is over this block and the blank alone ("multisoftmax"). It is cut to the wished language.

    Args:
        files: of the archive, by name.
        language: BCP 47.

    Raises:
        FamilyUnsupported: the model does not know the language, or has a tokenizer of an unknown kind.
        SourceInvalid: a tokenizer's file is missing or damaged.
        ExtraMissing: SentencePiece is not installed.
    """
    tokenizer = section(config, "tokenizer")
    kind = str(tokenizer.get("type", "")).lower()
    if not tokenizer:
        return _whole(_characters(config))
    if kind not in ("agg", "multilingual"):
        return _whole(_read_tokenizer(tokenizer, files))
    languages = section(tokenizer, "langs")
    blocks = {name: _read_tokenizer(section(languages, name), files) for name in languages}
    everything = [token for tokens in blocks.values() for token in tokens]
    if kind == "agg" and not _multisoftmax(config):
        return _whole(everything)
    wished = next((name for name in (language, language.split("-")[0]) if name in blocks), None)
    if wished is None:
        raise FamilyUnsupported(
            f"The model does not know the language {language}. It knows {', '.join(blocks)}."
        )
    start = sum(len(blocks[name]) for name in list(blocks)[: list(blocks).index(wished)])
    rows = (*range(start, start + len(blocks[wished])), len(everything))
    return Vocabulary((*blocks[wished], BLANK), rows, len(everything) + 1)


def _whole(tokens: Sequence[str]) -> Vocabulary:
    return Vocabulary((*tokens, BLANK), None, len(tokens) + 1)


def _multisoftmax(config: Mapping[str, Any]) -> bool:
    decoders = section(config, "decoder"), section(section(config, "aux_ctc"), "decoder")
    return any(decoder.get("multisoftmax") for decoder in decoders)


def _characters(config: Mapping[str, Any]) -> list[str]:
    """Labels of a model without tokenizer, where a space is a space."""
    for place in (section(section(config, "aux_ctc"), "decoder"), section(config, "decoder"), config):
        labels = place.get("vocabulary") or place.get("labels")
        if isinstance(labels, list) and labels:
            break
    else:
        raise SourceInvalid("The model's configuration has neither a tokenizer nor a vocabulary.")
    if not all(isinstance(label, str) and label for label in labels):
        raise SourceInvalid("The model's vocabulary has labels that are no texts. Quote them in the YAML.")
    return [label.replace(" ", WORD_MARK) for label in labels]


def _read_tokenizer(tokenizer: Mapping[str, Any], files: Mapping[str, Path]) -> list[str]:
    match str(tokenizer.get("type", "")).lower():
        case "bpe":
            return _sentencepieces(_artifact(tokenizer, "model_path", "tokenizer.model", files))
        case "wpe":
            return _wordpieces(_artifact(tokenizer, "vocab_path", "vocab.txt", files))
        case kind:
            raise FamilyUnsupported(f"The model has a tokenizer of the unknown type {kind!r}.")


def _artifact(tokenizer: Mapping[str, Any], key: str, usual: str, files: Mapping[str, Path]) -> Path:
    """Find a tokenizer's file: by the name in the configuration, or the only one with the usual name."""
    named = str(tokenizer.get(key) or "").removeprefix(_ARTIFACT).removeprefix("./")
    if named in files:
        return files[named]
    alike = [path for name, path in files.items() if name.endswith(usual)]
    if not named and len(alike) == 1:
        return alike[0]
    raise SourceInvalid(f"The tokenizer's file {named or usual} is missing.")


def _sentencepieces(path: Path) -> list[str]:
    try:
        import sentencepiece
    except ImportError as error:
        raise ExtraMissing(
            "Reading the tokenizer needs SentencePiece: install shrutlekh[convert]."
        ) from error
    try:
        model = sentencepiece.SentencePieceProcessor()
        model.LoadFromSerializedProto(path.read_bytes())
    except (OSError, RuntimeError) as error:
        raise SourceInvalid(f"The tokenizer {path.name} could not be read: {error}") from error
    return [
        _shown(model.id_to_piece(index), model.is_control(index)) for index in range(model.get_piece_size())
    ]


def _shown(piece: str, is_control: bool) -> str:
    """Names in angle brackets are never shown."""
    return f"<{piece.strip('<>')}>" if is_control else piece


def _wordpieces(path: Path) -> list[str]:
    try:
        pieces = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceInvalid(f"The vocabulary {path.name} could not be read: {error}") from error
    return [_from_wordpiece(piece) for piece in pieces if piece]


def _from_wordpiece(piece: str) -> str:
    if piece.startswith(_CONTINUES):
        return piece.removeprefix(_CONTINUES)
    is_special = piece.startswith("[") and piece.endswith("]")
    return f"<{piece[1:-1].lower()}>" if is_special else WORD_MARK + piece
