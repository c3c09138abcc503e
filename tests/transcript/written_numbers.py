"""Apply `write_numbers` to plain text."""

from transcript.numbers import Digits, write_numbers
from transcript.words import Segment, Word


def segment_of(text: str) -> Segment:
    return Segment.from_words(
        tuple(Word(word, place, place + 0.5, 0.9) for place, word in enumerate(text.split()))
    )


def written(text: str, digits: Digits = Digits.LATIN) -> str:
    return write_numbers(segment_of(text), digits).text
