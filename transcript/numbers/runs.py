"""Where number words stand, and where digits are read out one by one."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from transcript.numbers.lexicon import KEPT, ROLES, WORDS, Kind, Meaning, Phrase
from transcript.numbers.spelling import fold

_JOINING: Final = {Kind.UNIT, Kind.SCALE, Kind.QUARTER, Kind.WHOLE, Kind.ORDINAL}
_ENDING: Final = {Kind.ORDINAL, Kind.IRREGULAR}
_OF_QUANTITIES: Final = {Kind.SCALE, Kind.QUARTER, Kind.WHOLE, Kind.POINT, Kind.ORDINAL}
_ARAB: Final = fold("अरब")
_MOBILE_DIGITS: Final = 10
_MOBILE_BEGINS: Final = "6789"


class Token(NamedTuple):
    """A word without its punctuation, looked up."""

    core: str
    key: str
    meaning: Meaning | None

    @classmethod
    def of(cls, core: str) -> "Token":
        key = fold(core)
        return cls(core, key, WORDS.get(key))

    @property
    def kind(self) -> Kind | None:
        return None if self.meaning is None else self.meaning.kind

    def is_a(self, role: str) -> bool:
        """Whether the word has this role in the tables."""
        return self.key in ROLES[role]

    @property
    def has_digits(self) -> bool:
        return any(character.isdigit() for character in self.core)


NOTHING: Final = Token("", "", None)
"""What stands beyond the ends."""


class ReadOut(NamedTuple):
    """Digits that were read out one by one, or in pairs: tokens start to stop."""

    start: int
    stop: int
    digits: str


def at(tokens: Sequence[Token], place: int) -> Token:
    return tokens[place] if 0 <= place < len(tokens) else NOTHING


def number_runs(tokens: Sequence[Token], taken: bytearray) -> Iterator[tuple[int, int]]:
    """Each longest run of words that could be part of one number, past those `taken`, as (start, stop)."""
    place = 0
    while place < len(tokens):
        if taken[place] or not _begins(tokens, place):
            place += 1
            continue
        start = place
        place += 1
        while (
            place < len(tokens)
            and not taken[place]
            and tokens[place - 1].kind not in _ENDING
            and _goes_on(tokens, place)
        ):
            place += 1
        yield start, place


def _begins(tokens: Sequence[Token], place: int) -> bool:
    if tokens[place].kind is Kind.SIGN:
        # Between two numbers it is no sign but a minus.
        before = at(tokens, place - 1)
        return before.kind not in _JOINING and not before.has_digits and _begins_number(tokens, place + 1)
    return _begins_number(tokens, place)


def _begins_number(tokens: Sequence[Token], place: int) -> bool:
    token = at(tokens, place)
    if token.meaning is None or token.key == _ARAB:
        return False
    if token.kind is Kind.POINT:
        return token.meaning.sure and at(tokens, place + 1).kind is Kind.UNIT
    return token.kind in _JOINING


def _goes_on(tokens: Sequence[Token], place: int) -> bool:
    token, before = tokens[place], tokens[place - 1]
    if token.key == _ARAB:
        return before.kind in _JOINING and not at(tokens, place + 1).is_a("arab")
    if token.kind is Kind.POINT:
        return before.kind in (Kind.UNIT, Kind.SCALE) and at(tokens, place + 1).kind is Kind.UNIT
    if token.kind is Kind.IRREGULAR:
        return before.kind is Kind.SCALE
    return token.kind in _JOINING


def mark_kept(tokens: Sequence[Token], taken: bytearray) -> None:
    """Mark the words of phrases that stay as they are."""
    for place, token in enumerate(tokens):
        for phrase in KEPT.get(token.key, ()):
            if _stands_at(phrase, tokens, place):
                taken[place : place + len(phrase.places)] = b"\1" * len(phrase.places)


def _stands_at(phrase: Phrase, tokens: Sequence[Token], place: int) -> bool:
    behind = place + len(phrase.places)
    return at(tokens, behind).key not in phrase.unless and all(
        at(tokens, place + offset).key in choices for offset, choices in enumerate(phrase.places)
    )


def read_out(tokens: Sequence[Token], taken: bytearray) -> Iterator[ReadOut]:
    """Telephone numbers, codes and the like: digits that are no quantity."""
    place = 0
    while place < len(tokens):
        start = place
        groups: list[str] = []
        while place < len(tokens) and not taken[place] and (group := _group(tokens, place)):
            groups.append(group)
            place += 2 if tokens[place].kind is Kind.REPEAT else 1
        if groups:
            repeated = place - start > len(groups)
            around = {at(tokens, start - 1).kind, at(tokens, place).kind}
            if not around & _OF_QUANTITIES and _is_code(groups, repeated, _named(tokens, start)):
                yield ReadOut(start, place, "".join(groups))
        place = max(place, start + 1)


def _group(tokens: Sequence[Token], place: int) -> str:
    """The digits that the word at `place` stands for, with the next word where it says how often; or none."""
    meaning = tokens[place].meaning
    if meaning is None:
        return ""
    if meaning.kind is Kind.REPEAT:
        repeated = at(tokens, place + 1).meaning
        if repeated and repeated.kind in (Kind.UNIT, Kind.DIGIT) and repeated.value < 10:
            return str(repeated.value) * int(meaning.value)
    return str(meaning.value) if meaning.kind in (Kind.UNIT, Kind.DIGIT) else ""


def _named(tokens: Sequence[Token], start: int) -> bool:
    """Whether what comes is called a number or a code: `मेरा नंबर है ...`."""
    before = at(tokens, start - 1)
    return before.is_a("code") or (before.is_a("copula") and at(tokens, start - 2).is_a("code"))


def _is_code(groups: list[str], repeated: bool, named: bool) -> bool:
    """Whether `groups`, the digits that each word says, are a code. `repeated`: some with डबल or ट्रिपल."""
    digits = "".join(groups)
    if len(digits) == _MOBILE_DIGITS and digits[0] in _MOBILE_BEGINS and len(groups) >= _MOBILE_DIGITS // 2:
        return len(groups) == _MOBILE_DIGITS or not _is_counting(groups)
    one_by_one = repeated or len(digits) == len(groups)
    if named:
        return len(digits) >= (3 if one_by_one else 4)
    if not one_by_one or (not repeated and _is_counting(groups)):
        return False
    if "0" in digits or repeated:
        return len(digits) >= 3
    return len(digits) >= 5 and len(set(digits)) >= 3


def _is_counting(groups: list[str]) -> bool:
    """एक दो तीन, दस बीस तीस, or down by ones."""
    steps = {int(later) - int(earlier) for earlier, later in pairwise(groups)}
    return len(steps) == 1 and steps.pop() >= -1
