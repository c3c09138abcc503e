"""Fold spelling variants for lookup in the tables. Displayed text is never folded."""

import re
import unicodedata
from typing import Final

_DROPPED: Final = dict.fromkeys(map(ord, "\u093c\u200b\u200c\u200d\ufeff"))
_NASAL_BEFORE_STOP: Final = re.compile("ङ्(?=[क-घ])|ञ्(?=[च-झ])|ण्(?=[ट-ढ])|न्(?=[त-ध])|म्(?=[प-भ])")


def fold(text: str) -> str:
    """Drop nukta and joiners, and write every nasal before a stop, and candrabindu, as anusvara.

    Makes हज़ार and हजार equal, पाँच and पांच, पन्द्रह and पंद्रह, and ग्‍यारह with and without a joiner.
    """
    text = unicodedata.normalize("NFD", text).translate(_DROPPED).replace("ँ", "ं")
    return _NASAL_BEFORE_STOP.sub("ं", text)


def split_punctuation(text: str) -> tuple[str, str, str]:
    """Split a token into leading punctuation, word and trailing punctuation."""
    start, stop = 0, len(text)
    while start < stop and _is_punctuation(text[start]):
        start += 1
    while stop > start and _is_punctuation(text[stop - 1]):
        stop -= 1
    return text[:start], text[start:stop], text[stop:]


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"
