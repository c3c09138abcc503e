"""Which numbers are written in digits, by their size and by what stands beside them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final

from transcript.numbers import form
from transcript.numbers.grammar import Number, Shape, read_number
from transcript.numbers.lexicon import ROLES, SUFFIX_LETTER, WORDS, Kind
from transcript.numbers.runs import Token, at, mark_kept, number_runs, read_out
from transcript.numbers.spelling import fold

_SMALL: Final = 10
"""Whole numbers below it stay words unless something beside them asks for digits."""
_EXACT_BARE: Final = (100, 1000)
"""सौ and हज़ार before money or a percentage are as good as one hundred and one thousand."""
_CENTURIES: Final = (18, 19)
_THIS_CENTURY: Final = 20
_HOURS: Final = 24
_DIAL: Final = 12
_MINUTES: Final = 59
_PAISE: Final = 99
_LONGEST_JOINT: Final = 2
"""Words between two numbers that belong together."""
_LOAN: Final = fold("ऋण")
"""Minus only before degrees."""
_RUPEES: Final = {key for key, sign in ROLES["money"].items() if sign == "₹"}


@dataclass(slots=True)
class Found:
    """A number at tokens start to stop. `text` is how it is written, None for not at all; `end` is behind
    what is written with it, as रुपये; `role` is what that asked for."""

    start: int
    stop: int
    number: Number
    end: int
    text: str | None = None
    role: str | None = None

    def write(self, text: str, role: str | None = None, end: int | None = None) -> None:
        self.text, self.role, self.end = text, role, self.stop if end is None else end


@dataclass(frozen=True, slots=True)
class Written:
    """Tokens start to stop are written as `text`."""

    start: int
    stop: int
    text: str


def numbers_to_write(tokens: Sequence[Token]) -> list[Written]:
    """What is written otherwise than it was said, in order and without overlap. Linear in the words."""
    taken = bytearray(len(tokens))
    mark_kept(tokens, taken)
    codes = list(read_out(tokens, taken))
    for code in codes:
        taken[code.start : code.stop] = b"\1" * (code.stop - code.start)
    found = [one for run in number_runs(tokens, taken) if (one := _find(tokens, *run))]
    found = _without_shared_scales(tokens, found)
    for one in found:
        _choose(tokens, one)
    _write_alike(tokens, found)
    written = [Written(code.start, code.stop, code.digits) for code in codes]
    written += _join_times_and_money(tokens, found)
    return sorted(written, key=lambda one: one.start)


def _find(tokens: Sequence[Token], start: int, stop: int) -> Found | None:
    if tokens[start].key == _LOAN and not at(tokens, stop).is_a("degree"):
        start += 1
    before, behind = at(tokens, start - 1), at(tokens, stop)
    if _is_half_said(before) or (behind.has_digits and tokens[stop - 1].kind is Kind.SCALE):
        return None
    meanings = [token.meaning for token in tokens[start:stop] if token.meaning]
    number = read_number(meanings)
    if number is None and len(meanings) == 2 and all(meaning.kind is Kind.UNIT for meaning in meanings):
        first, second = (int(meaning.value) for meaning in meanings)
        if second >= _SMALL and _is_year(before, first):
            number = Number(Fraction(100 * first + second), Shape.PLAIN)
        elif 1 <= first <= _DIAL < second <= _MINUTES and behind.is_a("clock"):  # तीन बीस बजे
            number = Number(first + Fraction(second, _MINUTES + 1), Shape.PLAIN)
        elif first == 1 and second >= _SMALL:  # एक पच्चीस साल की औरत: an article
            start += 1
            number = read_number(meanings[1:])
    return None if number is None else Found(start, stop, number, stop)


def _is_half_said(before: Token) -> bool:
    """Whether a number goes on from the word before: `10 लाख`, `बीस-पच्चीस हज़ार`."""
    return before.has_digits or any(fold(part) in WORDS for part in before.core.split("-")[1:])


def _is_year(before: Token, century: int) -> bool:
    """Whether two numbers after `before` are a year: उन्नीस सैंतालीस. अगस्त बीस पच्चीस may be twenty or so."""
    if before.is_a("year"):
        return century in (*_CENTURIES, _THIS_CENTURY)
    return before.is_a("month") and century in _CENTURIES


def _choose(tokens: Sequence[Token], found: Found) -> None:
    """Write what its size or the words beside it want in digits."""
    number, before, behind = found.number, at(tokens, found.start - 1), at(tokens, found.stop)
    whole = number.value.denominator == 1
    if number.shape is Shape.ORDINAL:
        if number.value >= _SMALL:
            found.write(_plain(tokens, found))
        return
    if number.shape is Shape.BARE and (number.value not in _EXACT_BARE or before.is_a("about")):
        return
    if behind.is_a("percent") and not at(tokens, found.stop + 1).is_a("points"):
        found.write(form.plain(number) + "%", "percent", found.stop + 1)
    elif behind.is_a("money"):
        found.write(form.money(number, ROLES["money"][behind.key]), "money", found.stop + 1)
    elif behind.is_a("clock") and (time := form.time_of(number)):
        found.write(time, "clock")
    elif (whole and behind.is_a("month")) or _is_measured(tokens, found) or _is_minutes_to(tokens, found):
        found.write(form.plain(number))
    elif before.is_a("label") and whole and not behind.is_a("times"):
        found.write(form.plain(number, grouped=False))
    elif number.shape is Shape.DECIMAL or (number.shape is Shape.PLAIN and not _is_small(number)):
        found.write(form.plain(number, grouped=not before.is_a("code")))


def _without_shared_scales(tokens: Sequence[Token], found: list[Found]) -> list[Found]:
    """`found` without दो से तीन सौ, which is two hundred to three hundred: such pairs stay words."""
    shared: set[int] = set()
    for place, (left, right) in enumerate(pairwise(found)):
        last = tokens[right.stop - 1].meaning
        scale = last.value if last and last.kind is Kind.SCALE else None
        smaller = scale and left.number.value < right.number.value / scale
        if smaller and _are_joined(tokens, left.stop, right.start, "range", "and"):
            shared |= {place, place + 1}
    return [one for place, one in enumerate(found) if place not in shared]


def _are_joined(tokens: Sequence[Token], start: int, stop: int, *roles: str) -> bool:
    """Whether the words start to stop, which lie between two numbers, have one of these roles."""
    if stop - start > _LONGEST_JOINT:
        return False
    between = " ".join(token.key for token in tokens[start:stop])
    return any(between in ROLES[role] for role in roles)


def _is_small(number: Number) -> bool:
    return number.value.denominator == 1 and 0 <= number.value < _SMALL


def _is_one(found: Found) -> bool:
    """Whether it is एक alone, which is an article oftener than a number."""
    return found.number.value == 1 and found.stop - found.start == 1


def _is_measured(tokens: Sequence[Token], found: Found) -> bool:
    place = found.stop + at(tokens, found.stop).is_a("square")
    measure = at(tokens, place)
    if found.number.shape is Shape.BARE or _is_one(found):
        return False
    return measure.is_a("unit") or measure.is_a("degree") or measure.is_a("paise")


def _is_minutes_to(tokens: Sequence[Token], found: Found) -> bool:
    """दस बजने में [पाँच] मिनट."""
    before = f"{at(tokens, found.start - 2).key} {at(tokens, found.start - 1).key}"
    return before in ROLES["to"] and at(tokens, found.stop).is_a("minute")


def _plain(tokens: Sequence[Token], found: Found) -> str:
    """The number alone, an ordinal with the ending that was said."""
    text = form.plain(found.number)
    if found.number.shape is not Shape.ORDINAL:
        return text
    core = tokens[found.stop - 1].core
    return text + core[core.rindex(SUFFIX_LETTER) :]


def _write_alike(tokens: Sequence[Token], found: Sequence[Found]) -> None:
    """Of two numbers with `से` or the like between them both are in digits or neither is."""
    pairs = list(pairwise(found))
    for left, right in (*reversed(pairs), *pairs):
        of_a_kind = (left.number.shape is Shape.ORDINAL) == (right.number.shape is Shape.ORDINAL)
        if not of_a_kind or not _are_joined(tokens, left.end, right.start, "range"):
            continue
        if right.text and left.role is None and not at(tokens, left.start - 1).is_a("about"):
            time = form.time_of(left.number) if right.role == "clock" else None
            if time or left.text is None:
                left.write(time or _plain(tokens, left), "clock" if time else None)
        elif left.text and right.text is None and not _is_article(tokens, left, right):
            right.write(_plain(tokens, right))
        if left.text and left.role is None and right.role == "money":
            right.write(_plain(tokens, right))  # 10 से 20 रुपये


def _is_article(tokens: Sequence[Token], left: Found, right: Found) -> bool:
    """Whether the right one is no number: दस से एक, but दस में से एक."""
    return _is_one(right) and not _are_joined(tokens, left.end, right.start, "out of")


def _join_times_and_money(tokens: Sequence[Token], found: Sequence[Found]) -> Iterator[Written]:
    """`found` as it is written, with दस बजकर बीस मिनट and पाँच रुपये पचास पैसे in one word each."""
    place = 0
    while place < len(found):
        one = found[place]
        other = found[place + 1] if place + 1 < len(found) else None
        if other and (text := _time(tokens, one, other) or _rupees_and_paise(tokens, one, other)):
            yield Written(one.start, other.stop + 1, text)
            place += 2
            continue
        if one.text is not None:
            yield Written(one.start, one.end, one.text)
        place += 1


def _time(tokens: Sequence[Token], hour: Found, minute: Found) -> str | None:
    if not _are_joined(tokens, hour.stop, minute.start, "past") or not at(tokens, minute.stop).is_a("minute"):
        return None
    if _is_whole(hour.number, _HOURS) and _is_whole(minute.number, _MINUTES):
        return f"{hour.number.value}:{int(minute.number.value):02}"
    return None


def _rupees_and_paise(tokens: Sequence[Token], rupees: Found, paise: Found) -> str | None:
    if rupees.role != "money" or rupees.end != paise.start or tokens[rupees.stop].key not in _RUPEES:
        return None
    if (
        at(tokens, paise.stop).is_a("paise")
        and _is_whole(paise.number, _PAISE)
        and "." not in (rupees.text or ".")
    ):
        return f"{rupees.text}.{int(paise.number.value):02}"
    return None


def _is_whole(number: Number, most: int) -> bool:
    return number.shape is Shape.PLAIN and number.value.denominator == 1 and 1 <= number.value <= most
