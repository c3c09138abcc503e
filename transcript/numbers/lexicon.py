"""The tables of number words, as dictionaries from folded spellings to meanings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from importlib import resources
from typing import Final, NamedTuple

from transcript.numbers.spelling import fold


class Kind(Enum):
    """The function of a word in a number."""

    UNIT = "0 to 99"
    SCALE = "a power of ten"
    QUARTER = "a fraction added to the following number"
    WHOLE = "a number and a half in one word"
    POINT = "the decimal point"
    SIGN = "a minus sign"
    REPEAT = "repeats the following digit"
    DIGIT = "an English digit"
    ORDINAL = "a unit or a scale with an ordinal ending"
    IRREGULAR = "an ordinal that is never written in digits"


class Meaning(NamedTuple):
    """The meaning of a number word. `sure` is False if it has another meaning too: ऋण is also a loan."""

    kind: Kind
    value: Fraction
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Scale:
    """Which numbers may multiply a scale at the head of a number.

    Attributes:
        limit: the largest one.
        no_multiple_of: multiples of this are ambiguous and do not count; 0 allows all.
    """

    limit: int
    no_multiple_of: int


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase that is never written in digits.

    Attributes:
        words: the alternatives for each word.
        unless: the phrase does not count if one of these words follows.
    """

    words: tuple[frozenset[str], ...]
    unless: frozenset[str]


def _rows(table: str) -> Iterator[list[str]]:
    text = resources.files(__package__).joinpath("tables", table).read_text(encoding="utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            yield line.split("\t")


def _add(words: dict[str, Meaning], spelling: str, meaning: Meaning) -> None:
    if words.setdefault(fold(spelling), meaning) != meaning:
        raise ValueError(f"{spelling} has two meanings in the tables.")


def _read_words() -> dict[str, Meaning]:
    words: dict[str, Meaning] = {}
    for value, spellings in _rows("cardinals.tsv"):
        for spelling in spellings.split():
            _add(words, spelling, Meaning(Kind.UNIT, Fraction(value)))
    for value, _, _, spellings in _rows("scales.tsv"):
        for spelling in spellings.split():
            _add(words, spelling, Meaning(Kind.SCALE, Fraction(value)))
    cardinals = dict(words)
    for kind, value, spellings in _rows("ordinals.tsv"):
        for spelling in spellings.split():
            if kind == "suffix":
                for cardinal, meaning in cardinals.items():
                    _add(words, cardinal + spelling, Meaning(Kind.ORDINAL, meaning.value))
            else:
                irregular = kind == "irregular"
                _add(words, spelling, Meaning(Kind.IRREGULAR if irregular else Kind.ORDINAL, Fraction(value)))
    for kind, value, spellings in _rows("parts.tsv"):
        of_kind = Kind[kind.upper()]
        unsure = of_kind in (Kind.POINT, Kind.SIGN) and value == "0"
        for spelling in spellings.split():
            _add(words, spelling, Meaning(of_kind, Fraction(value), not unsure))
    return words


def _read_roles() -> dict[str, dict[str, str]]:
    roles: dict[str, dict[str, str]] = {}
    for role, sign, spellings in _rows("context.tsv"):
        for spelling in spellings.split():
            roles.setdefault(role, {})[fold(spelling.replace("+", " "))] = sign
    return roles


def _read_kept() -> dict[str, list[Phrase]]:
    kept: dict[str, list[Phrase]] = {}
    for (line,) in _rows("kept.tsv"):
        phrase, _, unless = line.partition("~")
        words = tuple(frozenset(map(fold, re.split(r"\|", word))) for word in phrase.split())
        for first in words[0]:
            kept.setdefault(first, []).append(Phrase(words, frozenset(map(fold, unless.split()))))
    return kept


WORDS: Final = _read_words()
"""Number words, by folded spelling."""

SCALES: Final = {int(value): Scale(int(limit), int(step)) for value, limit, step, _ in _rows("scales.tsv")}

ROLES: Final = _read_roles()
"""By role and folded spelling: the sign to write for the word, or "-" for none."""

KEPT: Final = _read_kept()
"""Phrases that are never written in digits, by their first word."""

SUFFIX_LETTER: Final = "व"
"""First letter of the regular ordinal endings वाँ, वीं, वें."""
