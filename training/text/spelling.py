"""The written side of training: which text is used and in which characters it is written."""

import re
import unicodedata

WORD_GAP = "▁"
BLANK = "<blk>"

_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u200e\u200f\ufeff\u00ad"))
_DEVANAGARI = "[ँ-ःअ-ऋएऐऑओ-नप-रलळव-ह़ािीुूृेैॉोौ्]"
_WORDS = re.compile(f"{_DEVANAGARI}+(?: {_DEVANAGARI}+)*")
_PUNCTUATION_KINDS = ("P", "S", "Z", "C")

CHARACTERS = tuple(chr(c) for c in range(0x0900, 0x0980) if re.fullmatch(_DEVANAGARI, chr(c)))


def plain_text(text: str) -> str:
    """NFC, without punctuation, invisible signs and repeated space."""
    text = unicodedata.normalize("NFC", text).translate(_INVISIBLE).replace("ऽ", "")
    kept = (" " if unicodedata.category(c)[0] in _PUNCTUATION_KINDS else c for c in text)
    return " ".join("".join(kept).split())


def training_text(text: str) -> str | None:
    """`text` as the model shall write it, or None when it has what the model cannot write.

    Digits and other scripts are left out as whole sentences: how they were spoken is unknown.
    """
    plain = plain_text(text)
    return plain if _WORDS.fullmatch(plain) else None


def text_key(text: str) -> str:
    """What two sentences share when they differ in punctuation, spacing or nasal dot only."""
    return plain_text(text).replace(" ", "").replace("ँ", "ं").replace("़", "")


def characters_of(text: str) -> list[str]:
    """The target characters of a normalised text, with `WORD_GAP` between words."""
    return list(text.replace(" ", WORD_GAP))
