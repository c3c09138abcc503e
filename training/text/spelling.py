"""Target texts for training: which text is usable, and in which characters it is written."""

import re
import unicodedata

WORD_GAP = "▁"
BLANK = "<blk>"

_DEVANAGARI = "[ँ-ःअ-ऋएऐऑओ-नप-रलळव-ह़ािीुूृेैॉोौ्]"
_WORDS = re.compile(f"{_DEVANAGARI}+(?: {_DEVANAGARI}+)*")
_PUNCTUATION_KINDS = ("P", "S", "Z", "C")

CHARACTERS = tuple(chr(c) for c in range(0x0900, 0x0980) if re.fullmatch(_DEVANAGARI, chr(c)))


class _PlainCharacters(dict[int, str | None]):
    """What `str.translate` puts for a character, computed once for each: nothing, a space, or itself."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        is_kept = unicodedata.category(character)[0] not in _PUNCTUATION_KINDS
        self[code] = plain = character if is_kept else " "
        return plain


_PLAIN = _PlainCharacters(dict.fromkeys(map(ord, "\u200b\u200c\u200d\u200e\u200f\ufeff\u00adऽ")))


def plain_text(text: str) -> str:
    """Normalise to NFC without punctuation, invisible characters and repeated spaces."""
    return " ".join(unicodedata.normalize("NFC", text).translate(_PLAIN).split())


def training_text(text: str) -> str | None:
    """Return `text` in the characters of the model, or None if it has others.

    Sentences with digits or other scripts are rejected, because how they were spoken is unknown.
    """
    plain = plain_text(text)
    return plain if _WORDS.fullmatch(plain) else None


def text_key(text: str) -> str:
    """Return a key that is equal for sentences that differ only in punctuation, spacing or nasal dots."""
    return plain_text(text).replace(" ", "").replace("ँ", "ं").replace("़", "")


def characters_of(text: str) -> list[str]:
    """Return the target characters of a normalised text, with `WORD_GAP` between words."""
    return list(text.replace(" ", WORD_GAP))
