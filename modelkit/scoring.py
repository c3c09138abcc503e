"""Word and character error rates: minimum edit distance (Levenshtein) between normalised texts."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from speech import normalise_for_scoring

Normaliser = Callable[[str], str]
"""What makes of a text the form in which it is compared."""


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Edits that turn a reference into a hypothesis, and the reference's length. Sums over a corpus with
    `+`."""

    substitutions: int = 0
    insertions: int = 0
    deletions: int = 0
    reference_length: int = 0

    @property
    def errors(self) -> int:
        return self.substitutions + self.insertions + self.deletions

    @property
    def rate(self) -> float:
        """Errors per reference unit: 0.0 when nothing was said and nothing was heard, infinity when only
        heard."""
        if self.reference_length:
            return self.errors / self.reference_length
        return float("inf") if self.errors else 0.0

    def __add__(self, other: "ErrorCounts") -> "ErrorCounts":
        return ErrorCounts(
            self.substitutions + other.substitutions,
            self.insertions + other.insertions,
            self.deletions + other.deletions,
            self.reference_length + other.reference_length,
        )


def word_errors(
    reference: str, hypothesis: str, normaliser: Normaliser = normalise_for_scoring
) -> ErrorCounts:
    """Edits between the words of two texts; both are normalised here."""
    return edit_counts(normaliser(reference).split(), normaliser(hypothesis).split())


def character_errors(
    reference: str, hypothesis: str, normaliser: Normaliser = normalise_for_scoring
) -> ErrorCounts:
    """Edits between the code points of two texts, the single space between words included; both are
    normalised here.

    A matra, virama or nukta is a character of its own.
    """
    return edit_counts(normaliser(reference), normaliser(hypothesis))


def corpus_errors(counts: Iterable[ErrorCounts]) -> ErrorCounts:
    """Sum over utterances: its rate weighs each by its length, as corpus error rates do."""
    return sum(counts, ErrorCounts())


def edit_counts(reference: Sequence[str], hypothesis: Sequence[str]) -> ErrorCounts:
    """Fewest edits between two sequences; among equally short scripts, one with the most substitutions.

    R. Wagner, M. Fischer, "The String-to-String Correction Problem" (J. ACM 1974), one row at a time: time
    is the product of the lengths, memory their sum. An edit costs `unit`, a substitution one less, and
    `unit` exceeds the number of substitutions possible, so a single integer carries both counts.
    """
    rows, columns = len(reference), len(hypothesis)
    unit = min(rows, columns) + 2
    numbers: dict[str, int] = {}
    ref = _numbered(reference, numbers)
    hyp = _numbered(hypothesis, numbers)
    insertions = np.arange(columns + 1, dtype=np.int64) * unit
    row = insertions.copy()
    for symbol in ref:
        following = row + unit
        np.minimum(following[1:], row[:-1] + np.where(hyp == symbol, 0, unit - 1), out=following[1:])
        row = np.minimum.accumulate(following - insertions) + insertions
    errors, remainder = divmod(int(row[-1]), unit)
    substitutions = 0
    if remainder:  # cost = errors * unit - substitutions
        errors, substitutions = errors + 1, unit - remainder
    unpaired = errors - substitutions
    inserted = (unpaired + columns - rows) // 2
    return ErrorCounts(substitutions, inserted, unpaired - inserted, rows)


def _numbered(sequence: Sequence[str], numbers: dict[str, int]) -> npt.NDArray[np.int64]:
    values: list[Any] = [numbers.setdefault(item, len(numbers)) for item in sequence]
    return np.array(values, dtype=np.int64)
