"""Decide which numbers to write in digits, by their size and the words beside them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final

from transcript.numbers import formatting
from transcript.numbers.grammar import Number, Shape, read_number
from transcript.numbers.lexicon import ROLES, SUFFIX_LETTER, WORDS, Kind
from transcript.numbers.runs import Token, at, mark_kept, number_runs, read_out
from transcript.numbers.spelling import fold

_SMALL: Final = 10
"""Smaller whole numbers stay words, unless a word beside them calls for digits."""
_EXACT_BARE: Final = (100, 1000)
"""Bare scales that are exact before money or a percentage: सौ and हज़ार mean 100 and 1000 there."""
_CENTURIES: Final = (18, 19)
_THIS_CENTURY: Final = 20
_HOURS: Final = 24
_DIAL: Final = 12
_MINUTES: Final = 59
_PAISE: Final = 99
_LONGEST_JOINT: Final = 2
"""Longest joint in words, such as से, between two numbers that belong together."""
_LOAN: Final = fold("ऋण")
"""Means minus only before degrees."""
_RUPEES: Final = {key for key, sign in ROLES["money"].items() if sign == "₹"}


@dataclass(slots=True)
class Candidate:
    """A number at tokens start to stop (exclusive), and how to write it.

    Attributes:
        text: the written form; None leaves the words as spoken.
        end: after the last token that `text` replaces, which may include a unit such as रुपये.
        role: role of the neighbouring word that decided the written form, if any.
    """

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
    """Replaces tokens start to stop (exclusive) by `text`."""

    start: int
    stop: int
    text: str


def numbers_to_write(tokens: Sequence[Token]) -> list[Written]:
    """Return the replacements for `tokens`, in order and without overlap. Takes linear time."""
    taken = bytearray(len(tokens))
    mark_kept(tokens, taken)
    codes = list(read_out(tokens, taken))
    for code in codes:
        taken[code.start : code.stop] = b"\1" * (code.stop - code.start)
    candidates = [one for run in number_runs(tokens, taken) if (one := _find(tokens, *run))]
    candidates = _without_shared_scales(tokens, candidates)
    for one in candidates:
        _choose(tokens, one)
    _write_alike(tokens, candidates)
    written = [Written(code.start, code.stop, code.digits) for code in codes]
    written += _join_times_and_money(tokens, candidates)
    return sorted(written, key=lambda one: one.start)


def _find(tokens: Sequence[Token], start: int, stop: int) -> Candidate | None:
    if tokens[start].key == _LOAN and not at(tokens, stop).is_a("degree"):
        start += 1
    before, after = at(tokens, start - 1), at(tokens, stop)
    if _continues(before) or (after.has_digits and tokens[stop - 1].kind is Kind.SCALE):
        return None
    meanings = [token.meaning for token in tokens[start:stop] if token.meaning]
    number = read_number(meanings)
    if number is None and len(meanings) == 2 and all(meaning.kind is Kind.UNIT for meaning in meanings):
        first, second = (int(meaning.value) for meaning in meanings)
        if second >= _SMALL and _is_year(before, first):
            number = Number(Fraction(100 * first + second), Shape.PLAIN)
        elif 1 <= first <= _DIAL < second <= _MINUTES and after.is_a("clock"):  # तीन बीस बजे
            number = Number(first + Fraction(second, _MINUTES + 1), Shape.PLAIN)
        elif first == 1 and second >= _SMALL:  # एक पच्चीस साल की औरत: an article
            start += 1
            number = read_number(meanings[1:])
    return None if number is None else Candidate(start, stop, number, stop)


def _continues(before: Token) -> bool:
    """Return whether a number continues the preceding token: `10 लाख`, `बीस-पच्चीस हज़ार`."""
    return before.has_digits or any(fold(part) in WORDS for part in before.core.split("-")[1:])


def _is_year(before: Token, century: int) -> bool:
    """Return whether two numbers after `before` form a year: उन्नीस सैंतालीस.

    After a month, बीस पच्चीस does not: it may mean twenty or twenty-five.
    """
    if before.is_a("year"):
        return century in (*_CENTURIES, _THIS_CENTURY)
    return before.is_a("month") and century in _CENTURIES


def _choose(tokens: Sequence[Token], candidate: Candidate) -> None:
    """Set the candidate's text if its size or the words beside it call for digits."""
    number, before, after = candidate.number, at(tokens, candidate.start - 1), at(tokens, candidate.stop)
    whole = number.value.denominator == 1
    if number.shape is Shape.ORDINAL:
        if number.value >= _SMALL:
            candidate.write(_plain(tokens, candidate))
        return
    if number.shape is Shape.BARE and (number.value not in _EXACT_BARE or before.is_a("about")):
        return
    if after.is_a("percent") and not at(tokens, candidate.stop + 1).is_a("points"):
        candidate.write(formatting.plain(number) + "%", "percent", candidate.stop + 1)
    elif after.is_a("money"):
        candidate.write(formatting.money(number, ROLES["money"][after.key]), "money", candidate.stop + 1)
    elif after.is_a("clock") and (time := formatting.time_of(number)):
        candidate.write(time, "clock")
    elif (
        (whole and after.is_a("month"))
        or _is_measured(tokens, candidate)
        or _is_minutes_to(tokens, candidate)
    ):
        candidate.write(formatting.plain(number))
    elif before.is_a("label") and whole and not after.is_a("times"):
        candidate.write(formatting.plain(number, grouped=False))
    elif number.shape is Shape.DECIMAL or (number.shape is Shape.PLAIN and not _is_small(number)):
        candidate.write(formatting.plain(number, grouped=not before.is_a("code")))


def _without_shared_scales(tokens: Sequence[Token], candidates: list[Candidate]) -> list[Candidate]:
    """Drop pairs that share a scale: दो से तीन सौ means 200 to 300, so both stay words."""
    shared: set[int] = set()
    for index, (left, right) in enumerate(pairwise(candidates)):
        last = tokens[right.stop - 1].meaning
        scale = last.value if last and last.kind is Kind.SCALE else None
        smaller = scale and left.number.value < right.number.value / scale
        if smaller and _are_joined(tokens, left.stop, right.start, "range", "and"):
            shared |= {index, index + 1}
    return [one for index, one in enumerate(candidates) if index not in shared]


def _are_joined(tokens: Sequence[Token], start: int, stop: int, *roles: str) -> bool:
    """Return whether tokens start to stop, between two numbers, form a joint with one of these roles."""
    if stop - start > _LONGEST_JOINT:
        return False
    between = " ".join(token.key for token in tokens[start:stop])
    return any(between in ROLES[role] for role in roles)


def _is_small(number: Number) -> bool:
    return number.value.denominator == 1 and 0 <= number.value < _SMALL


def _is_one(candidate: Candidate) -> bool:
    """Return whether it is only एक, which is more often an article than a number."""
    return candidate.number.value == 1 and candidate.stop - candidate.start == 1


def _is_measured(tokens: Sequence[Token], candidate: Candidate) -> bool:
    index = candidate.stop + at(tokens, candidate.stop).is_a("square")
    measure = at(tokens, index)
    if candidate.number.shape is Shape.BARE or _is_one(candidate):
        return False
    return measure.is_a("unit") or measure.is_a("degree") or measure.is_a("paise")


def _is_minutes_to(tokens: Sequence[Token], candidate: Candidate) -> bool:
    """Return whether it is the minutes to an hour: पाँच in दस बजने में पाँच मिनट."""
    before = f"{at(tokens, candidate.start - 2).key} {at(tokens, candidate.start - 1).key}"
    return before in ROLES["to"] and at(tokens, candidate.stop).is_a("minute")


def _plain(tokens: Sequence[Token], candidate: Candidate) -> str:
    """Format only the number; an ordinal keeps its spoken ending."""
    text = formatting.plain(candidate.number)
    if candidate.number.shape is not Shape.ORDINAL:
        return text
    core = tokens[candidate.stop - 1].core
    return text + core[core.rindex(SUFFIX_LETTER) :]


def _write_alike(tokens: Sequence[Token], candidates: Sequence[Candidate]) -> None:
    """Make both numbers of a range (`दस से बीस`) digits if one is."""
    pairs = list(pairwise(candidates))
    for left, right in (*reversed(pairs), *pairs):
        same_kind = (left.number.shape is Shape.ORDINAL) == (right.number.shape is Shape.ORDINAL)
        if not same_kind or not _are_joined(tokens, left.end, right.start, "range"):
            continue
        if right.text and left.role is None and not at(tokens, left.start - 1).is_a("about"):
            time = formatting.time_of(left.number) if right.role == "clock" else None
            if time or left.text is None:
                left.write(time or _plain(tokens, left), "clock" if time else None)
        elif left.text and right.text is None and not _is_article(tokens, left, right):
            right.write(_plain(tokens, right))
        if left.text and left.role is None and right.role == "money":
            right.write(_plain(tokens, right))  # 10 से 20 रुपये


def _is_article(tokens: Sequence[Token], left: Candidate, right: Candidate) -> bool:
    """Return whether the right number is the article एक: it is in दस से एक, but not in दस में से एक."""
    return _is_one(right) and not _are_joined(tokens, left.end, right.start, "out of")


def _join_times_and_money(tokens: Sequence[Token], candidates: Sequence[Candidate]) -> Iterator[Written]:
    """Yield the replacements, with दस बजकर बीस मिनट and पाँच रुपये पचास पैसे merged into one word each."""
    index = 0
    while index < len(candidates):
        one = candidates[index]
        other = candidates[index + 1] if index + 1 < len(candidates) else None
        if other and (text := _time(tokens, one, other) or _rupees_and_paise(tokens, one, other)):
            yield Written(one.start, other.stop + 1, text)
            index += 2
            continue
        if one.text is not None:
            yield Written(one.start, one.end, one.text)
        index += 1


def _time(tokens: Sequence[Token], hour: Candidate, minute: Candidate) -> str | None:
    if not _are_joined(tokens, hour.stop, minute.start, "past") or not at(tokens, minute.stop).is_a("minute"):
        return None
    if _is_whole(hour.number, _HOURS) and _is_whole(minute.number, _MINUTES):
        return f"{hour.number.value}:{int(minute.number.value):02}"
    return None


def _rupees_and_paise(tokens: Sequence[Token], rupees: Candidate, paise: Candidate) -> str | None:
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
