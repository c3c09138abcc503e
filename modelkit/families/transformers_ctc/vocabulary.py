"""Convert the files of a transformers CTC tokenizer to tokens.txt."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from modelkit.errors import FamilyUnsupported, SourceInvalid
from speech import WORD_MARK

BLANK: Final = "<blk>"
VOCABULARY: Final = "vocab.json"
TOKENIZER_FILES: Final = (
    VOCABULARY,
    "added_tokens.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
)
TOKENIZERS: Final = {"Wav2Vec2CTCTokenizer", "Wav2Vec2Tokenizer"}
SPECIAL: Final = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
"""Special tokens other than the blank, with their default names."""
ID: Final = re.compile(r"[0-9]{1,9}")
NAME: Final = re.compile(r"<[^<>\s]+>")
UNFIT_IN_NAMES: Final = re.compile(r"[<>\[\]\s]")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Tokens of a CTC head as tokens.txt has them.

    Attributes:
        tokens: by id. The word delimiter is "▁", the blank `<blk>`; other special tokens and unused ids have
            names in angle brackets, which no decoder shows.
        blank_id: id of CTC's blank, the tokenizer's padding token.
    """

    tokens: tuple[str, ...]
    blank_id: int

    def write(self, path: Path) -> None:
        """Write tokens.txt: a `token id` on each line."""
        lines = (f"{token} {index}\n" for index, token in enumerate(self.tokens))
        path.write_text("".join(lines), encoding="utf-8")


def read_vocabulary(folder: Path, size: int, language: str | None = None) -> Vocabulary:
    """Read a tokenizer's files.

    Args:
        size: outputs of the CTC head. It may exceed the tokens: the ids above are unused.
        language: which vocabulary to take if vocab.json has one for each language, as in MMS.

    Raises:
        SourceInvalid: a file is unreadable, ids are missing or doubled, a token cannot stand in tokens.txt,
            or the head is smaller than the vocabulary.
        FamilyUnsupported: the tokenizer does not simply join characters, for example one of phonemes.
    """
    settings = {**_read(folder / "special_tokens_map.json"), **_read(folder / "tokenizer_config.json")}
    kind = settings.get("tokenizer_class", "Wav2Vec2CTCTokenizer")
    if kind not in TOKENIZERS:
        raise FamilyUnsupported(f"The tokenizer {kind} cannot be converted, only {', '.join(TOKENIZERS)}.")
    ids = _ids(folder, settings, size, language)
    blank = _name(settings, "pad_token", "<pad>")
    if blank not in ids:
        raise SourceInvalid(
            f"The CTC head has no output for the blank {blank!r}, the tokenizer's padding token."
        )
    shown = _shown(settings, blank)
    tokens = [shown(token) for token in sorted(ids, key=ids.__getitem__)]
    if doubled := [token for token in {WORD_MARK, BLANK} if tokens.count(token) > 1]:
        raise SourceInvalid(f"Several tokens of {VOCABULARY} mean the same as {doubled[0]}.")
    tokens += [f"<unused{index}>" for index in range(len(tokens), size)]
    return Vocabulary(tuple(tokens), ids[blank])


def _ids(folder: Path, settings: Mapping[str, Any], size: int, language: str | None) -> dict[str, int]:
    """Ids by token, complete from 0 on and within the head."""
    vocabulary = _read(folder / VOCABULARY)
    if any(isinstance(value, dict) for value in vocabulary.values()):
        vocabulary = _of_language(vocabulary, language)
    if not vocabulary or not all(type(index) is int for index in vocabulary.values()):
        raise SourceInvalid(f"{VOCABULARY} must give each token an id.")
    if max(vocabulary.values()) >= size:
        raise SourceInvalid(
            f"{VOCABULARY} has ids up to {max(vocabulary.values())}, but the CTC head has {size} outputs."
        )
    ids: dict[str, int] = dict(vocabulary)
    taken = set(ids.values())
    if len(taken) < len(ids):
        raise SourceInvalid(f"{VOCABULARY} gives several tokens the same id.")
    for token, index in _added(folder, settings).items():  # fine-tuning scripts add some that the head lacks
        if token not in ids and index not in taken and index < size:
            ids[token] = index
            taken.add(index)
    if taken != set(range(len(taken))):
        missing = min(set(range(max(taken))) - taken, default=0)
        raise SourceInvalid(f"{VOCABULARY} has no token for the id {missing}.")
    return ids


def _of_language(vocabularies: Mapping[str, Any], language: str | None) -> dict[str, Any]:
    found = vocabularies.get(language or "")
    if len(vocabularies) == 1:
        (found,) = vocabularies.values()
    if not isinstance(found, dict):
        raise SourceInvalid(
            f"{VOCABULARY} has no tokens for the language {language!r}, only for {', '.join(vocabularies)}."
        )
    return found


def _added(folder: Path, settings: Mapping[str, Any]) -> dict[str, int]:
    """Tokens beside vocab.json, from both files in which versions of transformers keep them."""
    found = {
        token: index for token, index in _read(folder / "added_tokens.json").items() if type(index) is int
    }
    decoder = settings.get("added_tokens_decoder")
    for index, token in decoder.items() if isinstance(decoder, dict) else ():
        content = token.get("content") if isinstance(token, dict) else token
        if isinstance(content, str) and ID.fullmatch(index):
            found.setdefault(content, int(index))
    return found


def _shown(settings: Mapping[str, Any], blank: str) -> Callable[[str], str]:
    """Return a function from the tokenizer's tokens to those of tokens.txt."""
    delimiter = _name(settings, "word_delimiter_token", "|")
    space = _name(settings, "replace_word_delimiter_char", " ")
    special = {_name(settings, key, default) for key, default in SPECIAL.items()}
    lower = settings.get("do_lower_case") is True

    def shown(token: str) -> str:
        if token == blank:
            return BLANK
        if token == delimiter:
            if space in (" ", ""):
                return WORD_MARK if space else "<delimiter>"
            token = space
        if token in special or NAME.fullmatch(token):
            return f"<{re.sub(UNFIT_IN_NAMES, '', token) or 'special'}>"
        if not token or any(character.isspace() or character in f"<>{WORD_MARK}" for character in token):
            raise SourceInvalid(f"{VOCABULARY} has the token {token!r}, which cannot stand in tokens.txt.")
        return token.lower() if lower else token

    return shown


def _name(settings: Mapping[str, Any], key: str, default: str) -> str:
    """Text of a special token, which may be stored with its properties."""
    value = settings.get(key, default)
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else default


def _read(path: Path) -> dict[str, Any]:
    """A JSON object without doubled names; empty if the file is missing."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) < len(pairs):
            raise ValueError("a name appears twice")
        return dict(pairs)

    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=unique)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise SourceInvalid(f"{path.name} cannot be read: {error}.") from error
    if not isinstance(found, dict):
        raise SourceInvalid(f"{path.name} must be a JSON object.")
    return found
