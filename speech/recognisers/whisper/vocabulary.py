"""Whisper's tokens: special ones by name, the others as bytes of UTF-8, and the words that they spell.

Source of the byte alphabet: A. Radford et al., "Language Models are Unsupervised Multitask Learners" (2019),
byte-level BPE.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from speech.errors import ModelInvalid
from speech.text import transcript_text

FILES: Final = ("vocabulary.json", "vocabulary.txt")
"""What CTranslate2's converters write: a list, or one token a line."""

START, END, TRANSCRIBE, NO_TIMESTAMPS = (
    "<|startoftranscript|>",
    "<|endoftext|>",
    "<|transcribe|>",
    "<|notimestamps|>",
)


@dataclass(frozen=True, slots=True)
class SpelledWord:
    """A word: its text, and its tokens `first` to `last` - 1 in the sequence."""

    text: str
    first: int
    last: int


class Vocabulary:
    """The tokens of a model, by id.

    Attributes:
        prompt: ids of the tokens before the text: start, language, task.
        no_timestamps: id of the token that ends the prompt of a transcription without times.
        end: id of the token that ends a text. All special tokens come after it.
    """

    def __init__(self, tokens: Sequence[str], language: str) -> None:
        """
        Args:
            language: BCP 47; Whisper knows the primary subtag.

        Raises:
            ModelInvalid: a special token is missing, for example because Whisper does not know the language.
        """
        ids = {token: index for index, token in enumerate(tokens)}

        def special(name: str) -> int:
            if name not in ids:
                raise ModelInvalid(f"The vocabulary has no token {name}.")
            return ids[name]

        self._tokens = tokens
        self.end = special(END)
        self.no_timestamps = special(NO_TIMESTAMPS)
        self.prompt = [special(START), special(f"<|{language.split('-')[0].lower()}|>"), special(TRANSCRIBE)]

    @classmethod
    def read(cls, folder: Path, language: str) -> "Vocabulary":
        """Read the vocabulary of a model in CTranslate2's layout.

        Raises:
            ModelInvalid: it is missing, unreadable, or lacks a special token.
        """
        return cls(read_tokens(folder), language)

    def text(self, ids: Sequence[int]) -> str:
        """Return what a sequence spells, without special tokens. Incomplete characters are left out."""
        return b"".join(map(self._bytes, ids)).decode("utf-8", "ignore")

    def words(self, ids: Sequence[int]) -> list[SpelledWord]:
        """Split a sequence at white space. Text is NFC.

        A word without a letter or a digit, such as a danda behind a space, is added to the word before it.
        """
        pieces = [self._bytes(index) for index in ids]
        ends = np.cumsum([len(piece) for piece in pieces])
        found: list[SpelledWord] = []
        for match in re.finditer(rb"\S+", b"".join(pieces)):
            text = transcript_text(match.group().decode("utf-8", "ignore"))
            first, last = (
                int(np.searchsorted(ends, place, side="right")) for place in (match.start(), match.end() - 1)
            )
            if any(character.isalnum() for character in text):
                found.append(SpelledWord(text, first, last + 1))
            elif found and text:
                found[-1] = SpelledWord(found[-1].text + text, found[-1].first, found[-1].last)
        return found

    def _bytes(self, index: int) -> bytes:
        if index >= self.end:
            return b""
        return bytes(_BYTES[character] for character in self._tokens[index] if character in _BYTES)


def read_tokens(folder: Path) -> list[str]:
    """Read the tokens of a model in CTranslate2's layout, by id.

    Raises:
        ModelInvalid: they are missing or unreadable.
    """
    path = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if path is None:
        raise ModelInvalid(f"{folder} has neither {' nor '.join(FILES)}.")
    try:
        content = path.read_text(encoding="utf-8")
        tokens = json.loads(content) if path.suffix == ".json" else content.removesuffix("\n").split("\n")
    except (OSError, ValueError) as error:
        raise ModelInvalid(f"{path} could not be read: {error}.") from error
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ModelInvalid(f"{path} must hold a list of tokens.")
    return tokens


def _byte_alphabet() -> Iterator[tuple[str, int]]:
    """Yield the character that stands for each byte: itself if it is printable, else one from U+0100 on."""
    others = 0
    for byte in range(256):
        if 0x21 <= byte <= 0x7E or 0xA1 <= byte <= 0xAC or byte >= 0xAE:
            yield chr(byte), byte
        else:
            yield chr(0x100 + others), byte
            others += 1


_BYTES: Final = dict(_byte_alphabet())
