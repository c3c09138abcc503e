"""Format numbers: Indian grouping, decimals, money, clock times. Everything uses 0-9 until `in_digits`."""

from enum import StrEnum
from fractions import Fraction
from typing import Final

from transcript.numbers.grammar import Number

_DEVANAGARI: Final = str.maketrans("0123456789", "०१२३४५६७८९")
_GROUPED_FROM: Final = 10_000


class Digits(StrEnum):
    """The digits that numbers are written in."""

    LATIN = "latin"
    DEVANAGARI = "devanagari"


def in_digits(text: str, digits: Digits) -> str:
    """Convert the digits 0-9 of `text` to `digits`."""
    return text.translate(_DEVANAGARI) if digits is Digits.DEVANAGARI else text


def plain(number: Number, *, grouped: bool = True) -> str:
    """Format a number: -5, 1947, 12,34,567, 3.5, 3.10.

    Args:
        number: the number.
        grouped: whether to group its digits. False for numbers that are not quantities, such as codes.
    """
    value = abs(number.value)
    sign = "-" if number.value < 0 else ""
    whole = value.numerator // value.denominator
    if number.decimals is not None:
        return f"{sign}{group(whole)}.{number.decimals}"
    text = group(whole) if grouped else str(whole)
    return sign + text + _decimals(value - whole)


def group(whole: int) -> str:
    """Group digits the Indian way: the last three, then pairs (12,34,567). Below 10,000 ungrouped (1947)."""
    text = str(whole)
    if whole < _GROUPED_FROM:
        return text
    head, tail = text[:-3], text[-3:]
    first = len(head) % 2
    pairs = [head[:first]] if first else []
    pairs += [head[i : i + 2] for i in range(first, len(head), 2)]
    return ",".join([*pairs, tail])


def money(number: Number, sign: str) -> str:
    """Format an amount of money: ₹500, -₹5, ₹3.50. It has two decimals or none."""
    text = plain(number)
    minus = "-" if text.startswith("-") else ""
    text = text.removeprefix("-")
    if "." in text and len(text) - text.index(".") == 2:
        text += "0"
    return f"{minus}{sign}{text}"


def clock(hour: int, minute: int) -> str:
    """Format a time of day: 10:05, or only the hour on the hour."""
    return f"{hour}:{minute:02}" if minute else str(hour)


def time_of(number: Number) -> str | None:
    """Format a number of hours as a time of day: साढ़े तीन gives 3:30, पौन 12:45. None if it cannot be one."""
    minutes = number.value * 60
    if number.decimals is not None or minutes.denominator != 1 or not 0 < number.value <= 24:
        return None
    hour, minute = divmod(minutes.numerator, 60)
    return clock(hour or 12, minute)


def _decimals(fraction: Fraction) -> str:
    """Format a fraction as decimals. Without a spoken decimal point, only halves and quarters occur."""
    return f".{int(fraction * 100):02}".rstrip("0") if fraction else ""
