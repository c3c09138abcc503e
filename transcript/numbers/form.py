"""How numbers look: digits, Indian grouping, ordinals, money, the clock. All in 0-9 until `in_digits`."""

from enum import StrEnum
from fractions import Fraction
from typing import Final

from transcript.numbers.grammar import Number

_DEVANAGARI: Final = str.maketrans("0123456789", "०१२३४५६७८९")
_GROUPED_FROM: Final = 10_000


class Digits(StrEnum):
    """Which digits numbers are written in."""

    LATIN = "latin"
    DEVANAGARI = "devanagari"


def in_digits(text: str, digits: Digits) -> str:
    """`text`, which has the digits 0-9, in `digits`."""
    return text.translate(_DEVANAGARI) if digits is Digits.DEVANAGARI else text


def plain(number: Number, *, grouped: bool = True) -> str:
    """-5, 1947, 12,34,567, 3.5, 3.10: grouped from five digits on where it is a quantity."""
    value = abs(number.value)
    sign = "-" if number.value < 0 else ""
    whole = value.numerator // value.denominator
    if number.decimals is not None:
        return f"{sign}{group(whole)}.{number.decimals}"
    text = group(whole) if grouped else str(whole)
    return sign + text + _decimals(value - whole)


def group(whole: int) -> str:
    """12,34,567: the last three digits, then pairs. Below 10,000 nothing is grouped: 1947."""
    text = str(whole)
    if whole < _GROUPED_FROM:
        return text
    head, tail = text[:-3], text[-3:]
    first = len(head) % 2
    pairs = [head[:first]] if first else []
    pairs += [head[i : i + 2] for i in range(first, len(head), 2)]
    return ",".join([*pairs, tail])


def money(number: Number, sign: str) -> str:
    """₹500, -₹5, ₹3.50: two decimals where there are any."""
    text = plain(number)
    minus = "-" if text.startswith("-") else ""
    text = text.removeprefix("-")
    if "." in text and len(text) - text.index(".") == 2:
        text += "0"
    return f"{minus}{sign}{text}"


def clock(hour: int, minute: int) -> str:
    """10:05; the hour alone where there are no minutes."""
    return f"{hour}:{minute:02}" if minute else str(hour)


def time_of(number: Number) -> str | None:
    """साढ़े तीन as 3:30, पौन as 12:45; None where the number is no time of day."""
    minutes = number.value * 60
    if number.decimals is not None or minutes.denominator != 1 or not 0 < number.value <= 24:
        return None
    hour, minute = divmod(minutes.numerator, 60)
    return clock(hour or 12, minute)


def _decimals(fraction: Fraction) -> str:
    """Halves and quarters behind the point: nothing else is said without one."""
    return f".{int(fraction * 100):02}".rstrip("0") if fraction else ""
