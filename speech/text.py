"""Text policy: the form of transcripts, and the strict normaliser of error rates."""

import unicodedata
from typing import Final

NORMALISER: Final = "speech.text.normalise_for_scoring 1"
"""Name and version of `normalise_for_scoring`, written beside every error rate. The number changes when
results could."""

_APOSTROPHES: Final = "'’"


def transcript_text(text: str) -> str:
    """Text as transcripts carry it: Unicode NFC, nothing else changed.

    NFC is canonical: ऩ, ऱ and ऴ become one code point, and the composition exclusions क़ to य़ (U+0958 to
    U+095F) become their letter and a nukta. ZWJ and ZWNJ stay where the model writes them: they choose
    between a half form and a visible virama, so a word looks as it was meant. They do not make another word,
    so scoring and the tables of number words drop them. Danda and digits, too, are as the model writes them.
    """
    return unicodedata.normalize("NFC", text)


class _ScoringTable(dict[int, str | None]):
    """What `str.translate` makes of a code point, worked out from its general category when it is first
    met."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        category = unicodedata.category(character)
        result: str | None = character
        if character in _APOSTROPHES or category == "Cf":
            result = None
        elif category[0] in "PSZ" or category == "Cc":
            result = " "
        self[code] = result
        return result


_SCORING: Final = _ScoringTable()


def normalise_for_scoring(text: str) -> str:
    """Text as reference and hypothesis are compared, version 1.

    - NFC, so that a letter with nukta compares equal however it is encoded. The nukta itself stays: ज and
      ज़ differ.
    - Every letter, matra, virama, nukta, anusvara, chandrabindu, visarga, avagraha, accent and digit stays
      as it is: nothing is folded (ँ and ं differ, ५ and 5 differ).
    - Punctuation and symbols (danda, double danda, abbreviation sign, quotes, hyphens, ₹) become a space; an
      apostrophe goes without leaving one.
    - Invisible format characters (ZWJ, ZWNJ, byte order mark, soft hyphen) go.
    - Letters with case are case-folded; runs of white space become one space; none is left at the ends.

    Idempotent.
    """
    folded = unicodedata.normalize("NFC", text).translate(_SCORING).casefold()
    return unicodedata.normalize("NFC", " ".join(folded.translate(_SCORING).split()))
