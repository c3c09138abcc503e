"""What makes two spellings of a word one, for looking words up in the tables. Nothing shown is folded."""

import re
import unicodedata
from typing import Final

_DROPPED: Final = dict.fromkeys(map(ord, "\u093c\u200b\u200c\u200d\ufeff"))
_NASAL_BEFORE_ITS_STOPS: Final = re.compile("ङ्(?=[क-घ])|ञ्(?=[च-झ])|ण्(?=[ट-ढ])|न्(?=[त-ध])|म्(?=[प-भ])")


def fold(text: str) -> str:
    """`text` without nukta and joiners, with one dot for all that a nasal is written with.

    हज़ार and हजार, पाँच and पांच, पन्द्रह and पंद्रह, ग्‍यारह with a joiner and without are one.
    """
    text = unicodedata.normalize("NFD", text).translate(_DROPPED).replace("ँ", "ं")
    return _NASAL_BEFORE_ITS_STOPS.sub("ं", text)


def split_punctuation(text: str) -> tuple[str, str, str]:
    """The punctuation before a word, the word, the punctuation behind it."""
    start, stop = 0, len(text)
    while start < stop and _is_punctuation(text[start]):
        start += 1
    while stop > start and _is_punctuation(text[stop - 1]):
        stop -= 1
    return text[:start], text[start:stop], text[stop:]


def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"
