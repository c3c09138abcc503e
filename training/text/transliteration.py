"""Punjabi, Malayalam and Kannada letter by letter in Devanagari, so that their speakers teach spelling too.

Unicode lays the scripts of India out alike: a letter stands as far into its block as its Devanagari fellow.
"""

import re
import unicodedata

from training.text.spelling import plain_text, training_text

_DEVANAGARI = 0x0900
_BLOCKS = {"pa-IN": 0x0A00, "kn": 0x0C80, "ml": 0x0D00}
_CONSONANT = "[क-ह]़?"

# Signs that have no fellow, and letters whose fellow Hindi does not write.
_GURMUKHI = {"\u0a70": "ं", "\u0a72": "इ", "\u0a73": "उ", "\u0a75": "्य"}
_CHILLU = {"ൺ": "ण്", "ൻ": "ന്", "ർ": "ര്", "ൽ": "ല്", "ൾ": "ള്", "ൿ": "ക്"}
_ADDAK = "\u0a71"
_SEQUENCES = (("स़", "श"), ("ऱ्ऱ", "ट्ट"))
_UNUSED = str.maketrans({"ऎ": "ए", "ऒ": "ओ", "ॆ": "े", "ॊ": "ो", "ऱ": "र", "ऴ": "ळ", "ॗ": "ौ", "ॠ": "ऋ", "ॄ": "ृ"})
_UNASPIRATED = dict(zip("खघछझठढथधफभ", "कगचजटडतदपब", strict=True))


def _letter(character: str, start: int) -> str:
    place = ord(character) - start
    return chr(_DEVANAGARI + place) if 0 < place < 0x70 else character


def _doubled(match: re.Match[str]) -> str:
    consonant = match[1]
    return f"{_UNASPIRATED.get(consonant, consonant)}्{consonant}"


def devanagari(text: str, language: str) -> str | None:
    """`text` of `language` in the model's characters, or None when it cannot be written in them.

    Hindi does not mark that a word ends in a consonant, and Kannada and Malayalam speak the vowel that it
    would leave out at a word's end: so their final vowel is written as आ.
    """
    start = _BLOCKS.get(language)
    if start is None:
        return None
    plain = plain_text(text)
    for sign, letters in {**_CHILLU, **_GURMUKHI}.items():
        plain = plain.replace(sign, letters)
    written = "".join(c if c == _ADDAK else _letter(c, start) for c in plain)
    for letters, hindi in _SEQUENCES:
        written = written.replace(letters, hindi)
    written = unicodedata.normalize("NFC", written.translate(_UNUSED))
    written = re.sub(f"{_ADDAK}([क-ह])", _doubled, written).replace(_ADDAK, "")
    if language != "pa-IN":
        written = re.sub(f"({_CONSONANT})(?= |$)", r"\1ा", written)
    return training_text(re.sub("्(?= |$)", "", written))
