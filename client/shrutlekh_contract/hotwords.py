"""Parse hot-words: words and phrases in Devanagari, separated by commas or line breaks."""

import unicodedata
from typing import Final

DEFAULT_WEIGHT: Final = 6.0
MAX_WEIGHT: Final = 20
MOST: Final = 100
LONGEST: Final = 64

_SEPARATORS: Final = str.maketrans(dict.fromkeys("\n\r", ","))
_JOINERS: Final = "\u200c\u200d"
_QUOTED: Final = 24  # characters of a word that is too long


def split_hotwords(text: str) -> tuple[str, ...]:
    """Split a text into words and phrases: in order, without duplicates, as Unicode NFC, single spaces."""
    parts = unicodedata.normalize("NFC", text).translate(_SEPARATORS).split(",")
    words = (" ".join(part.split()) for part in parts)
    return tuple(dict.fromkeys(word for word in words if word))


class HotwordError(ValueError):
    """A hot-word is invalid. The message names it by number, so that user input does not reach the logs.

    Attributes:
        sentence: a sentence for whoever wrote the word, which quotes it.
    """

    def __init__(self, number: int, word: str, reason: str) -> None:
        super().__init__(f"number {number} {reason}")
        quoted = word if len(word) <= LONGEST else f"{word[:_QUOTED]}…"
        self.sentence = f"The hot-word '{quoted}' (number {number}) {reason}."


def hotwords_of(text: str) -> tuple[str, ...]:
    """Split a text like :func:`split_hotwords` and validate the result.

    Raises:
        HotwordError: there are too many, one is too long, or one contains a character that is not a
            Devanagari letter.
    """
    words = split_hotwords(text)
    for number, word in enumerate(words, start=1):
        if len(word) > LONGEST:
            raise HotwordError(number, word, f"is longer than {LONGEST} characters")
        if not all(map(_is_fit, word)) or not any(map(str.isalpha, word)):
            raise HotwordError(number, word, "contains a character that is not a Devanagari letter")
        if number > MOST:
            raise HotwordError(number, word, f"is one too many: at most {MOST} words or phrases")
    return words


def without_comments(text: str) -> str:
    """Remove comments from a file of hot-words: from ``#`` to the end of the line."""
    return "\n".join(line.partition("#")[0] for line in text.splitlines())


def _is_fit(character: str) -> bool:
    if "\u0900" <= character <= "\u097f":
        return unicodedata.category(character)[0] in "LM"
    return character == " " or character in _JOINERS
