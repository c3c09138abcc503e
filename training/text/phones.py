"""Map espeak-ng's IPA to phones shared by Hindi and the other languages.

espeak-ng writes the same sound differently in different languages. With all its marks, an encoder would learn
to distinguish synthetic Hindi from real voices of other languages by the symbols. So sounds that Hindi
spelling does not distinguish are merged, and distinctions that it makes, such as vowel length, are kept.
"""

import re
import unicodedata
from collections.abc import Iterable

# Languages whose short and long vowels differ like those of Hindi, with a length mark on the long ones.
_LENGTH_IS_QUALITY = frozenset({"kn", "ml", "ta"})
_SHORT_VOWELS = ((re.compile("a(?!ː)"), "ə"), (re.compile("i(?!ː)"), "ɪ"), (re.compile("u(?!ː)"), "ʊ"))

# Two symbols for one sound, in decomposed form: the flap that espeak-ng writes with a dot, affricates, ç.
_SEQUENCES = (("r.", "ɽ"), ("tʃ", "c"), ("dʒ", "ɟ"), ("tɕ", "c"), ("dʑ", "ɟ"), ("c\u0327", "ʃ"))
_SHARED = str.maketrans({
    "ʌ": "ə", "ɐ": "ə", "ɜ": "ə", "ɚ": "ə", "ᵻ": "ɪ", "ɑ": "a", "ɒ": "ɔ", "æ": "ɛ", "œ": "ø", "ɯ": "ɨ",
    "ʉ": "ʊ", "ɵ": "ø", "r": "ɾ", "ɹ": "ɾ", "ʁ": "ɣ", "ɻ": "ɽ", "v": "ʋ", "w": "ʋ", "β": "ʋ", "ɫ": "l",
    "ʎ": "l", "ʂ": "ʃ", "ɕ": "ʃ", "ʑ": "ʒ", "χ": "x", "ħ": "h", "ɗ": "d",
})  # fmt: skip

# Marks of stress, length, ties, tone, syllables and pauses do not affect spelling.
_DROPPED = frozenset(
    "\u02c8\u02cc\u02d0\u02d1"  # stress and length
    "\u035c\u0361\u203f"  # ties
    "\u02bc\u02c0\u02de\u0329\u032f\u030a\u031a"  # glottalisation, rhotic, syllabic, voiceless, unreleased
    "\u02b2\u032a\u033a\u033b\u0327"  # palatalised, dental, apical, laminal, cedilla
    "\u0294\u0295"  # glottal and pharyngeal stops
    "\u02e5\u02e6\u02e7\u02e8\u02e9^0123456789"  # tones
    "._-|'\"?!,;:+[]ASZ"
)


def phones_of(ipa: str, language: str = "hi") -> list[str]:
    """Split IPA into shared phones, with aspiration and nasalisation as separate symbols.

    Returns no phones if espeak-ng switched the language (``(en)...``), because a speaker would not have read
    the sentence like that.
    """
    if "(" in ipa:
        return []
    text = re.sub(r"\s+", "", unicodedata.normalize("NFD", ipa))
    if language in _LENGTH_IS_QUALITY:
        for vowel, quality in _SHORT_VOWELS:
            text = vowel.sub(quality, text)
    for written, shared in _SEQUENCES:
        text = text.replace(written, shared)
    return [symbol for symbol in text.translate(_SHARED) if symbol not in _DROPPED]


def inventory(sequences: Iterable[list[str]], least: int) -> list[str]:
    """Return the symbols that occur at least `least` times, most frequent first."""
    counts: dict[str, int] = {}
    for sequence in sequences:
        for symbol in sequence:
            counts[symbol] = counts.get(symbol, 0) + 1
    kept = [s for s in counts if counts[s] >= least]
    return sorted(kept, key=lambda s: (-counts[s], s))
