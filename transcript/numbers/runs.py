"""Find runs of number words, and digits that are read out one by one."""

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
    """A word without its punctuation, with its meaning.

    Attributes:
        core: the word as written.
        key: its folded spelling.
        meaning: its meaning if it is a number word.
    """

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
        """Return whether the word has this role in the tables."""
        return self.key in ROLES[role]

    @property
    def has_digits(self) -> bool:
        return any(character.isdigit() for character in self.core)


NOTHING: Final = Token("", "", None)
"""Stands for the tokens before the first and after the last."""


class ReadOut(NamedTuple):
    """Digits at tokens start to stop (exclusive) that are read out one by one or in pairs."""

    start: int
    stop: int
    digits: str


def at(tokens: Sequence[Token], index: int) -> Token:
    return tokens[index] if 0 <= index < len(tokens) else NOTHING


def number_runs(tokens: Sequence[Token], taken: bytearray) -> Iterator[tuple[int, int]]:
    """Yield each longest run of untaken tokens that could form one number, as (start, stop)."""
    index = 0
    while index < len(tokens):
        if taken[index] or not _begins(tokens, index):
            index += 1
            continue
        start = index
        index += 1
        while (
            index < len(tokens)
            and not taken[index]
            and tokens[index - 1].kind not in _ENDING
            and _extends(tokens, index)
        ):
            index += 1
        yield start, index


def _begins(tokens: Sequence[Token], index: int) -> bool:
    if tokens[index].kind is Kind.SIGN:
        # Between two numbers it is a subtraction, not a sign.
        before = at(tokens, index - 1)
        return before.kind not in _JOINING and not before.has_digits and _begins_number(tokens, index + 1)
    return _begins_number(tokens, index)


def _begins_number(tokens: Sequence[Token], index: int) -> bool:
    token = at(tokens, index)
    if token.meaning is None or token.key == _ARAB:
        return False
    if token.kind is Kind.POINT:
        return token.meaning.sure and at(tokens, index + 1).kind is Kind.UNIT
    return token.kind in _JOINING


def _extends(tokens: Sequence[Token], index: int) -> bool:
    token, before = tokens[index], tokens[index - 1]
    if token.key == _ARAB:
        return before.kind in _JOINING and not at(tokens, index + 1).is_a("arab")
    if token.kind is Kind.POINT:
        return before.kind in (Kind.UNIT, Kind.SCALE) and at(tokens, index + 1).kind is Kind.UNIT
    if token.kind is Kind.IRREGULAR:
        return before.kind is Kind.SCALE
    return token.kind in _JOINING


def mark_kept(tokens: Sequence[Token], taken: bytearray) -> None:
    """Mark the tokens of phrases that are never written in digits as taken."""
    for index, token in enumerate(tokens):
        for phrase in KEPT.get(token.key, ()):
            if _matches_at(phrase, tokens, index):
                taken[index : index + len(phrase.words)] = b"\1" * len(phrase.words)


def _matches_at(phrase: Phrase, tokens: Sequence[Token], index: int) -> bool:
    after = index + len(phrase.words)
    return at(tokens, after).key not in phrase.unless and all(
        at(tokens, index + offset).key in alternatives for offset, alternatives in enumerate(phrase.words)
    )


def read_out(tokens: Sequence[Token], taken: bytearray) -> Iterator[ReadOut]:
    """Yield telephone numbers, codes and other sequences of digits that are not quantities."""
    index = 0
    while index < len(tokens):
        start = index
        groups: list[str] = []
        while index < len(tokens) and not taken[index] and (group := _group(tokens, index)):
            groups.append(group)
            index += 2 if tokens[index].kind is Kind.REPEAT else 1
        if groups:
            repeated = index - start > len(groups)
            around = {at(tokens, start - 1).kind, at(tokens, index).kind}
            if not around & _OF_QUANTITIES and _is_code(groups, repeated, _named(tokens, start)):
                yield ReadOut(start, index, "".join(groups))
        index = max(index, start + 1)


def _group(tokens: Sequence[Token], index: int) -> str:
    """Return the digits of the token at `index`, or of डबल or ट्रिपल with the next token; "" if none."""
    meaning = tokens[index].meaning
    if meaning is None:
        return ""
    if meaning.kind is Kind.REPEAT:
        repeated = at(tokens, index + 1).meaning
        if repeated and repeated.kind in (Kind.UNIT, Kind.DIGIT) and repeated.value < 10:
            return str(repeated.value) * int(meaning.value)
    return str(meaning.value) if meaning.kind in (Kind.UNIT, Kind.DIGIT) else ""


def _named(tokens: Sequence[Token], start: int) -> bool:
    """Return whether the preceding words announce a number or a code: `मेरा नंबर है ...`."""
    before = at(tokens, start - 1)
    return before.is_a("code") or (before.is_a("copula") and at(tokens, start - 2).is_a("code"))


def _is_code(groups: list[str], repeated: bool, named: bool) -> bool:
    """Return whether digits are a code rather than quantities.

    Args:
        groups: the digits of each word.
        repeated: whether some were spoken with डबल or ट्रिपल.
        named: whether the preceding words announce a number or a code.
    """
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
    """Return whether somebody is counting: एक दो तीन, दस बीस तीस, or down by ones."""
    steps = {int(later) - int(earlier) for earlier, later in pairwise(groups)}
    return len(steps) == 1 and steps.pop() >= -1
