"""Write the number words of a segment in digits."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from transcript.numbers.formatting import Digits, in_digits
from transcript.numbers.policy import numbers_to_write
from transcript.numbers.runs import Token
from transcript.numbers.spelling import split_punctuation
from transcript.words import Segment, Word


class _Piece(NamedTuple):
    """A word, split from the punctuation before and after it."""

    before: str
    core: str
    after: str


def write_numbers(segment: Segment, digits: Digits) -> Segment:
    """Return `segment` with its number words written in digits: पाँच सौ रुपये becomes ₹500.

    A number becomes a single word. Its `spoken` holds the spoken words joined by spaces, its times span them,
    and its confidence is their minimum. All other words stay the same objects, and the segment keeps its
    times, confidence and channel. A number never spans segments or punctuation. Linear in the number of
    words and idempotent.
    """
    pieces = [_Piece(*split_punctuation(word.text)) for word in segment.words]
    words: list[Word] = []
    for start, stop in _stretches(pieces):
        tokens = [Token.of(piece.core) for piece in pieces[start:stop]]
        index = start
        for written in numbers_to_write(tokens):
            words += segment.words[index : start + written.start]
            index = start + written.stop
            first, last = start + written.start, index - 1
            text = pieces[first].before + in_digits(written.text, digits) + pieces[last].after
            words.append(_merged(segment.words[first:index], text))
        words += segment.words[index:stop]
    if len(words) == len(segment.words) and all(map(_same, words, segment.words)):
        return segment
    return replace(segment, text=" ".join(word.text for word in words), words=tuple(words))


def _stretches(pieces: Sequence[_Piece]) -> Iterator[tuple[int, int]]:
    """Yield runs of words without punctuation between them, as (start, stop)."""
    start = 0
    for index, piece in enumerate(pieces):
        if piece.before and index > start:
            yield start, index
            start = index
        if piece.after:
            yield start, index + 1
            start = index + 1
    if start < len(pieces):
        yield start, len(pieces)


def _merged(words: Sequence[Word], text: str) -> Word:
    return Word(
        text=text,
        start=words[0].start,
        end=words[-1].end,
        confidence=min((word.confidence for word in words if word.confidence is not None), default=None),
        spoken=" ".join(word.text if word.spoken is None else word.spoken for word in words),
    )


def _same(one: Word, other: Word) -> bool:
    return one is other
