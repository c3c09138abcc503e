"""Parse hot-words: words and phrases in Devanagari, separated by commas or line breaks."""

import unicodedata
from typing import Final

DEFAULT_WEIGHT: Final = 6.0
MAX_WEIGHT: Final = 20
MOST: Final = 100
LONGEST: Final = 64

_SEPARATORS: Final = str.maketrans(dict.fromkeys("\n\r", ","))
_JOINERS: Final = "\u200c\u200d"


def split_hotwords(text: str) -> tuple[str, ...]:
    """Split a text into words and phrases: in order, without duplicates, as Unicode NFC, single spaces."""
    parts = unicodedata.normalize("NFC", text).translate(_SEPARATORS).split(",")
    words = (" ".join(part.split()) for part in parts)
    return tuple(dict.fromkeys(word for word in words if word))


def hotwords_of(text: str) -> tuple[str, ...]:
    """Split a text like :func:`split_hotwords` and validate the result.

    Raises:
        ValueError: there are too many, one is too long, or one contains a character that is not a Devanagari
            letter. The message refers to a hot-word by number, so that user input does not reach the logs.
    """
    words = split_hotwords(text)
    for number, word in enumerate(words, start=1):
        if len(word) > LONGEST:
            raise ValueError(f"number {number} is longer than {LONGEST} characters")
        if not all(map(_is_fit, word)) or not any(map(str.isalpha, word)):
            raise ValueError(f"number {number} contains a character that is not a Devanagari letter")
        if number > MOST:
            raise ValueError(f"at most {MOST} words or phrases")
    return words


def _is_fit(character: str) -> bool:
    if "\u0900" <= character <= "\u097f":
        return unicodedata.category(character)[0] in "LM"
    return character == " " or character in _JOINERS
