"""Hot-words as a form brings them: words and phrases in Devanagari, parted by commas or line breaks."""

import unicodedata
from typing import Final

DEFAULT_WEIGHT: Final = 6.0  # that of the engine, which the API does not know; a test holds them together
MAX_WEIGHT: Final = 20.0
MOST: Final = 100
LONGEST: Final = 64

_SEPARATORS: Final = str.maketrans(dict.fromkeys("\n\r", ","))
_JOINERS: Final = "\u200c\u200d"


def hotwords_of(text: str) -> tuple[str, ...]:
    """The words and phrases of a form's field, each once, in order, as Unicode NFC.

    Raises:
        ValueError: they are too many or too long, or hold what no letter of Devanagari is. The message names
            them by their number: what people sent is not repeated.
    """
    found: dict[str, None] = {}
    for item in unicodedata.normalize("NFC", text).translate(_SEPARATORS).split(","):
        word = " ".join(item.split())
        if not word:
            continue
        number = len(found) + 1
        if len(word) > LONGEST:
            raise ValueError(f"number {number} is longer than {LONGEST} characters")
        if not all(map(_is_fit, word)) or not any(map(str.isalpha, word)):
            raise ValueError(f"number {number} has a character that is no letter of Devanagari")
        found[word] = None
        if len(found) > MOST:
            raise ValueError(f"at most {MOST} words or phrases")
    return tuple(found)


def _is_fit(character: str) -> bool:
    if "\u0900" <= character <= "\u097f":
        return unicodedata.category(character)[0] in "LM"
    return character == " " or character in _JOINERS
