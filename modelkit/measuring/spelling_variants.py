"""Spelling variants: a second normaliser, which unifies accepted spellings of a Hindi word.

Its error rates are shown beside the strict ones and never replace them. docs/measure-accuracy.md lists what
is folded, why and by which source.
"""

import csv
import re
from importlib import resources
from typing import Final

from speech import normalise_for_scoring

FOLDING: Final = "modelkit.spelling_variants.fold 1"
"""Name and version of `fold`, recorded with every error rate that uses it. Raise the number with every change
that can affect results, including changes of the table."""

_CHARACTERS: Final = str.maketrans("ँ०१२३४५६७८९", "ं0123456789")
_LOAN_LETTER: Final = re.compile("[कखगजफ][ा-ौ़]+")
_NASAL_BEFORE_ITS_STOP: Final = re.compile("ङ्(?=[क-घ])|ञ्(?=[च-झ])|ण्(?=[ट-ढ])|न्(?=[त-ध])|म्(?=[प-भ])")
_GLIDE: Final = re.compile("(?<=[अ-हा-ौ़])य([ेी])(?=ं?(?:ग[ाेी])?$)")
_VOWELS: Final = {"े": "ए", "ी": "ई"}
_GLIDE_STAYS: Final = frozenset({"जयी", "दायी", "मयी"})
"""Words that would be a different word with ई: जई (oats), दाई (midwife), मई (May)."""


def fold(text: str) -> str:
    """Apply `normalise_for_scoring`, then unify spelling variants (version 1).

    - The nukta of क़ ख़ ग़ ज़ फ़ is dropped, even if typed after the matra. ड़ and ढ़ keep theirs.
    - ँ becomes ं. So does a nasal consonant before a stop of its class: हिन्दी, सम्बन्ध, पञ्च.
    - A virama at the end of a word is dropped: महान्, अर्थात्.
    - ये and यी after a vowel at the end of a word, or before the ending गा, गे, गी, become ए and ई.
    - Devanagari digits become ASCII digits.
    - Words of `spelling_variants.tsv` become the standard form.

    All other letters and matras are kept. Idempotent; equal strict texts have equal folded texts. The number
    of words stays the same, except that a lone virama disappears.
    """
    words = _fold_letters(normalise_for_scoring(text)).split()
    return " ".join(_STANDARD.get(word, word) for word in map(_fold_ending, words) if word)


def _fold_letters(text: str) -> str:
    text = _LOAN_LETTER.sub(lambda letter: letter[0].replace("़", ""), text.translate(_CHARACTERS))
    return _NASAL_BEFORE_ITS_STOP.sub("ं", text)


def _fold_ending(word: str) -> str:
    word = word.rstrip("्")
    return word if word in _GLIDE_STAYS else _GLIDE.sub(lambda glide: _VOWELS[glide[1]], word)


def _read_pairs() -> dict[str, str]:
    """Return the standard forms by variant.

    Raises:
        ValueError: the table contradicts itself, or a word in it is changed by the other rules.
    """
    text = resources.files(__package__).joinpath("spelling_variants.tsv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    pairs: dict[str, str] = {}
    for row in csv.DictReader(lines, delimiter="\t"):
        for word in (row["variant"], row["standard"]):
            if word != _fold_ending(_fold_letters(normalise_for_scoring(word))):
                raise ValueError(
                    f"spelling_variants.tsv: the rules change {word}. Write their result instead."
                )
        if row["variant"] in pairs:
            raise ValueError(f"spelling_variants.tsv: {row['variant']} occurs twice.")
        pairs[row["variant"]] = row["standard"]
    if chained := pairs.keys() & set(pairs.values()):
        raise ValueError(f"spelling_variants.tsv: both variant and standard: {', '.join(sorted(chained))}.")
    return pairs


_STANDARD: Final = _read_pairs()
