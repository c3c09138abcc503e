"""Transliterate Punjabi, Malayalam and Kannada to Devanagari, so that their recordings train spelling too.

Unicode arranges the Indian scripts alike: corresponding letters have the same offset in their blocks.
"""

import re
import unicodedata

from training.text.spelling import plain_text, training_text

_DEVANAGARI = 0x0900
_BLOCKS = {"pa-IN": 0x0A00, "kn": 0x0C80, "ml": 0x0D00}
_CONSONANT = "[क-ह]़?"

# Signs without a counterpart, and letters whose counterpart Hindi does not use.
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
    """Return `text` of `language` in the model's characters, or None if that is impossible.

    Hindi drops the inherent vowel at the end of a word, but Kannada and Malayalam pronounce it. So it is
    written as आ there.
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
