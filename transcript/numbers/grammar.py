"""Compute the value of a run of number words. Ambiguous runs have none."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Final

from transcript.numbers.lexicon import SCALES, Kind, Meaning


class Shape(Enum):
    """How a number was spoken, as far as that decides how to write it."""

    PLAIN = "none of the others"
    BARE = "only scales: सौ, लाख करोड़"
    HALF = "a single word that includes a fraction: डेढ़, ढाई, सवा, पौन"
    DECIMAL = "with a decimal point"
    ORDINAL = "with an ordinal ending"


@dataclass(frozen=True, slots=True)
class Number:
    """A spoken number. `decimals` are the digits after a spoken decimal point, with trailing zeros."""

    value: Fraction
    shape: Shape
    decimals: str | None = None


_ONE: Final = Fraction(1)
_MOST_DECIMALS: Final = 15
_SMALLEST_AFTER_DECIMALS: Final = 1000
"""Smallest scale after decimals: people say साढ़े तीन सौ, but not तीन दशमलव पाँच सौ."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A summand of a number.

    Attributes:
        scale: its power of ten; 1 for units; 0 for a quarter that waits for its unit.
        open: whether smaller summands may follow.
    """

    value: Fraction
    scale: int
    open: bool


def read_number(words: Sequence[Meaning]) -> Number | None:
    """Return the single number that `words` form together, or None.

    None if they are not one sum, as in दो तीन सौ (two or three hundred), सौ पचास (a hundred or fifty), बीस
    पच्चीस (twenty or twenty-five) and दस दस (ten each).
    """
    if words and words[0].kind is Kind.SIGN:
        number = read_number(words[1:]) if len(words) > 1 and words[1].kind is not Kind.SIGN else None
        if number is None:
            return None
        return Number(-number.value, number.shape, number.decimals)
    kinds = [word.kind for word in words]
    if Kind.POINT in kinds:
        return _read_decimal(words, kinds.index(Kind.POINT))
    if kinds and kinds[-1] is Kind.ORDINAL:
        value = words[-1].value
        last = Meaning(Kind.SCALE if value in SCALES else Kind.UNIT, value)
        number = _read_sum([*words[:-1], last])
        if number is None or number.shape is Shape.BARE or number.value.denominator != 1:
            return None
        return Number(number.value, Shape.ORDINAL)
    return _read_sum(words)


def _read_decimal(words: Sequence[Meaning], point: int) -> Number | None:
    whole = _read_sum(words[:point]) if point else Number(Fraction(0), Shape.PLAIN)
    if whole is None or whole.shape is not Shape.PLAIN or whole.value.denominator != 1:
        return None
    stop = point + 1
    while stop < len(words) and words[stop].kind is Kind.UNIT:
        stop += 1
    fraction = [int(word.value) for word in words[point + 1 : stop]]
    if not fraction or len(fraction) > _MOST_DECIMALS or (len(fraction) > 1 and max(fraction) > 9):
        return None
    decimals = "".join(map(str, fraction))
    value = whole.value + Fraction(int(decimals), 10 ** len(decimals))
    if stop == len(words):
        return Number(value, Shape.DECIMAL, decimals)
    part: _Part | None = _Part(value, 1, open=False)
    for word in words[stop:]:
        if part is None or word.kind is not Kind.SCALE or word.value < _SMALLEST_AFTER_DECIMALS:
            return None
        part = _scaled([part], int(word.value), first=False)
    return Number(part.value, Shape.PLAIN) if part and part.value.denominator == 1 else None


def _read_sum(words: Sequence[Meaning]) -> Number | None:
    parts: list[_Part] = []
    bare = True
    for index, word in enumerate(words):
        if word.kind is Kind.SCALE:
            part = _scaled(parts, int(word.value), first=index == 0)
        elif word.kind is Kind.QUARTER:
            follows = words[index + 1].kind if index + 1 < len(words) else None
            part = _quarter(parts, word.value, follows)
        elif word.kind in (Kind.UNIT, Kind.WHOLE):
            part = _unit(parts, word.value, bare=bare and bool(parts))
        else:
            return None
        if part is None:
            return None
        parts.append(part)
        bare = bare and word.kind is Kind.SCALE
    if not parts or (len(parts) > 1 and parts[-1].value.denominator != 1):
        return None
    value = sum((part.value for part in parts), Fraction(0))
    if bare:
        return Number(value, Shape.BARE)
    half = len(words) == 1 and words[0].kind is not Kind.UNIT
    return Number(value, Shape.HALF if half else Shape.PLAIN)


def _unit(parts: list[_Part], value: Fraction, *, bare: bool) -> _Part | None:
    if parts and parts[-1].scale == 0:  # a quarter that waits for its unit
        quarter = parts.pop()
        return _unit(parts, value + quarter.value, bare=False) if value.denominator == 1 and value else None
    if parts and (bare or not parts[-1].open or parts[-1].scale == 1 or value == 0):
        return None
    return _Part(value, 1, open=False)


def _quarter(parts: list[_Part], value: Fraction, follows: Kind | None) -> _Part | None:
    if parts and not parts[-1].open:
        return None
    if follows is Kind.UNIT:
        return _Part(value, 0, open=True)
    implies_one = value != Fraction(1, 2)  # सवा and पौने alone refer to one, साढ़े needs a number
    return _unit(parts, _ONE + value, bare=False) if implies_one else None


def _scaled(parts: list[_Part], scale: int, *, first: bool) -> _Part | None:
    before = len(parts)
    count = Fraction(0)
    whole = True
    while parts and parts[-1].scale < scale:
        part = parts.pop()
        count += part.value
        whole = whole and part.value.denominator == 1
    if len(parts) == before:
        return _Part(Fraction(scale), scale, open=True) if first else None
    if not count or not _may_multiply(scale, count, parts):
        return None
    return _Part(count * scale, scale, open=whole)


def _may_multiply(scale: int, count: Fraction, parts: list[_Part]) -> bool:
    """Return whether `count` times `scale` can follow `parts`, or begin a number if there are none."""
    if parts:
        return count * scale < parts[-1].scale
    rule = SCALES[scale]
    ambiguous = rule.no_multiple_of and count % rule.no_multiple_of == 0
    return int(count) <= rule.limit and not ambiguous
