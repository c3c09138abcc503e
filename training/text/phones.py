"""Phones that Hindi and the other languages share, from espeak-ng's IPA.

espeak-ng writes the same sound differently from language to language, and with every mark kept an encoder
learns to tell synthetic Hindi from the real voices of other languages by its symbols. So what Hindi spelling
does not tell apart is one symbol here, and what it does, such as short and long vowels, is not lost.
"""

import re
import unicodedata
from collections.abc import Iterable

# Languages whose short and long vowels differ as Hindi's do, with the length mark on the long ones.
_LENGTH_IS_QUALITY = frozenset({"kn", "ml", "ta"})
_SHORT_VOWELS = ((re.compile("a(?!ː)"), "ə"), (re.compile("i(?!ː)"), "ɪ"), (re.compile("u(?!ː)"), "ʊ"))

# Two signs for one sound, in decomposed form: the flap that espeak-ng writes with a dot, affricates, ç.
_SEQUENCES = (("r.", "ɽ"), ("tʃ", "c"), ("dʒ", "ɟ"), ("tɕ", "c"), ("dʑ", "ɟ"), ("c\u0327", "ʃ"))
_SHARED = str.maketrans({
    "ʌ": "ə", "ɐ": "ə", "ɜ": "ə", "ɚ": "ə", "ᵻ": "ɪ", "ɑ": "a", "ɒ": "ɔ", "æ": "ɛ", "œ": "ø", "ɯ": "ɨ",
    "ʉ": "ʊ", "ɵ": "ø", "r": "ɾ", "ɹ": "ɾ", "ʁ": "ɣ", "ɻ": "ɽ", "v": "ʋ", "w": "ʋ", "β": "ʋ", "ɫ": "l",
    "ʎ": "l", "ʂ": "ʃ", "ɕ": "ʃ", "ʑ": "ʒ", "χ": "x", "ħ": "h", "ɗ": "d",
})  # fmt: skip

# Stress, length, tie, tone, syllable and pause marks say nothing that a listener can spell.
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
    """Split IPA into shared phones: aspiration and nasalisation are symbols of their own.

    A language switch in the reading (``(en)...``) gives no phones at all: the sentence is not
    what the speaker of the language said.
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
    """Symbols seen at least `least` times, most frequent first."""
    counts: dict[str, int] = {}
    for sequence in sequences:
        for symbol in sequence:
            counts[symbol] = counts.get(symbol, 0) + 1
    kept = [s for s in counts if counts[s] >= least]
    return sorted(kept, key=lambda s: (-counts[s], s))
