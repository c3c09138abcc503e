"""What of a text is seen and read: its width on a line, its reading length, one line without controls."""

import unicodedata
from functools import lru_cache
from typing import Final

_VIRAMA: Final = "\u094d"
_LINKS_ON: Final = frozenset("\u093c\u200d")  # nukta and joiner: a virama before them still joins
_CONSONANTS: Final = frozenset(map(chr, (*range(0x915, 0x93A), *range(0x958, 0x960), *range(0x978, 0x980))))
_BREAKING: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})  # ends a line, or is no text at all


@lru_cache(maxsize=16_384)
def width(text: str) -> int:
    """Places that a text takes on a line: its grapheme clusters, what a reader takes for one character.

    Matras, candrabindu, nukta and the like stand on the letter before them, and a conjunct is one cluster
    (Unicode Standard Annex 29, extended grapheme clusters with rule GB9c, for Devanagari; emoji made of
    several and Hangul written in jamo count as more than one).
    """
    clusters = 0
    follows_consonant = linked = False
    for character in text:
        category = unicodedata.category(character)
        if category[0] == "M" or category == "Cf":
            clusters += clusters == 0 and category != "Cf"  # a mark without a letter has a circle of its own
            if character == _VIRAMA:
                linked = follows_consonant
            elif character not in _LINKS_ON:
                linked = False
            continue
        is_consonant = character in _CONSONANTS
        clusters += not (linked and is_consonant)
        follows_consonant, linked = is_consonant, False
    return clusters


@lru_cache(maxsize=16_384)
def reading_length(text: str) -> int:
    """Characters to be read: letters, matras and signs, spaces. Unlike `width` it counts vowels wherever they
    are written, as the reading speeds for alphabets do."""
    return sum(unicodedata.category(character) != "Cf" for character in text)


def one_line(text: str) -> str:
    """The text without line breaks, tabs and other controls; runs of white space become one space."""
    if not text.isprintable():
        text = "".join(map(_plain, text))
    return " ".join(text.split())


def _plain(character: str) -> str:
    return " " if unicodedata.category(character) in _BREAKING else character
