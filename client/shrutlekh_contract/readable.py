"""Which characters of user input are safe to display."""

import unicodedata

# Marks that reorder the text around them make "gpj.exe" look like "exe.jpg". Joiners stay: Hindi needs them.
_REORDERING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")
_UNPRINTABLE_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})


def is_readable(character: str) -> bool:
    """Return whether a character is visible and neither breaks the line nor reorders the text around it."""
    return character not in _REORDERING and unicodedata.category(character) not in _UNPRINTABLE_CATEGORIES
