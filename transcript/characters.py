"""Properties of displayed text: width on a line, reading length, and reduction to a single line."""

import unicodedata
from functools import lru_cache
from typing import Final

_VIRAMA: Final = "\u094d"
_KEEP_LINK: Final = frozenset("\u093c\u200d")  # nukta and ZWJ: a virama before them still joins consonants
_CONSONANTS: Final = frozenset(map(chr, (*range(0x915, 0x93A), *range(0x958, 0x960), *range(0x978, 0x980))))
_BREAKING: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, surrogates, line separators


@lru_cache(maxsize=16_384)
def width(text: str) -> int:
    """Count grapheme clusters: what a reader sees as one character.

    Matras, candrabindu, nukta and other marks belong to the preceding letter, and a conjunct is one cluster
    (Unicode Standard Annex 29, extended grapheme clusters with rule GB9c, for Devanagari). Simplification:
    emoji sequences and Hangul written in jamo count as more than one.
    """
    clusters = 0
    follows_consonant = linked = False
    for character in text:
        category = unicodedata.category(character)
        if category[0] == "M" or category == "Cf":
            clusters += clusters == 0 and category != "Cf"  # a leading mark is shown on a dotted circle
            if character == _VIRAMA:
                linked = follows_consonant
            elif character not in _KEEP_LINK:
                linked = False
            continue
        is_consonant = character in _CONSONANTS
        clusters += not (linked and is_consonant)
        follows_consonant, linked = is_consonant, False
    return clusters


@lru_cache(maxsize=16_384)
def reading_length(text: str) -> int:
    """Count letters, matras, signs and spaces.

    Unlike `width` it counts dependent vowels, because the reading speeds of the subtitle guidelines count
    the vowels of alphabets.
    """
    return sum(unicodedata.category(character) != "Cf" for character in text)


def one_line(text: str) -> str:
    """Replace line breaks, tabs and other controls by spaces, and collapse runs of white space."""
    if not text.isprintable():
        text = "".join(map(_plain, text))
    return " ".join(text.split())


def _plain(character: str) -> str:
    return " " if unicodedata.category(character) in _BREAKING else character
