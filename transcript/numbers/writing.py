"""The words of a segment with their numbers in digits."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from transcript.numbers.form import Digits, in_digits
from transcript.numbers.policy import numbers_to_write
from transcript.numbers.runs import Token
from transcript.numbers.spelling import split_punctuation
from transcript.words import Segment, Word


class _Piece(NamedTuple):
    """A word between its punctuation."""

    before: str
    core: str
    after: str


def write_numbers(segment: Segment, digits: Digits) -> Segment:
    """`segment` with its number words written in digits: पाँच सौ रुपये as ₹500.

    A written number is one word: `spoken` has what was said, joined by spaces; it starts with the first of
    those words, ends with the last and is as sure as the least sure of them. All other words are the same
    objects as before. The segment's times, confidence and channel stay. Numbers are found within
    one segment and never across punctuation. Linear in the words; idempotent; raises nothing.
    """
    pieces = [_Piece(*split_punctuation(word.text)) for word in segment.words]
    words: list[Word] = []
    for start, stop in _stretches(pieces):
        tokens = [Token.of(piece.core) for piece in pieces[start:stop]]
        place = start
        for written in numbers_to_write(tokens):
            words += segment.words[place : start + written.start]
            place = start + written.stop
            first, last = start + written.start, place - 1
            text = pieces[first].before + in_digits(written.text, digits) + pieces[last].after
            words.append(_merged(segment.words[first:place], text))
        words += segment.words[place:stop]
    if len(words) == len(segment.words) and all(map(_same, words, segment.words)):
        return segment
    return replace(segment, text=" ".join(word.text for word in words), words=tuple(words))


def _stretches(pieces: Sequence[_Piece]) -> Iterator[tuple[int, int]]:
    """Words without punctuation between them, as (start, stop)."""
    start = 0
    for place, piece in enumerate(pieces):
        if piece.before and place > start:
            yield start, place
            start = place
        if piece.after:
            yield start, place + 1
            start = place + 1
    if start < len(pieces):
        yield start, len(pieces)


def _merged(words: Sequence[Word], text: str) -> Word:
    return Word(
        text=text,
        start=words[0].start,
        end=words[-1].end,
        confidence=min(word.confidence for word in words),
        spoken=" ".join(word.text if word.spoken is None else word.spoken for word in words),
    )


def _same(one: Word, other: Word) -> bool:
    return one is other
