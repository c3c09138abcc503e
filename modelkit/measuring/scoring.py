"""Word and character error rates: minimum edit distance (Levenshtein) between normalised texts."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from speech import normalise_for_scoring

Normaliser = Callable[[str], str]
"""Normalises a text for comparison."""


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Counts of the edits from a reference to a hypothesis, and the reference's length. Add with `+`."""

    substitutions: int = 0
    insertions: int = 0
    deletions: int = 0
    reference_length: int = 0

    @property
    def errors(self) -> int:
        return self.substitutions + self.insertions + self.deletions

    @property
    def rate(self) -> float:
        """Errors per unit of the reference. For an empty reference: 0.0 without errors, else infinity."""
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
    """Count the word edits between two texts, after normalising both."""
    return edit_counts(normaliser(reference).split(), normaliser(hypothesis).split())


def character_errors(
    reference: str, hypothesis: str, normaliser: Normaliser = normalise_for_scoring
) -> ErrorCounts:
    """Count the code point edits between two texts, after normalising both.

    The single space between words counts. A matra, virama or nukta counts as a separate character.
    """
    return edit_counts(normaliser(reference), normaliser(hypothesis))


def corpus_errors(counts: Iterable[ErrorCounts]) -> ErrorCounts:
    """Sum the counts of utterances. The rate of the sum is the corpus error rate, weighted by length."""
    return sum(counts, ErrorCounts())


def edit_counts(reference: Sequence[str], hypothesis: Sequence[str]) -> ErrorCounts:
    """Count the edits of the shortest edit script; among equally short ones, the most substitutions win.

    An edit costs `unit` and a substitution one less. `unit` exceeds the number of possible substitutions, so
    the single distance that RapidFuzz returns carries both counts.
    """
    unit = min(len(reference), len(hypothesis)) + 2
    distance = Levenshtein.distance(reference, hypothesis, weights=(unit, unit, unit - 1))
    errors = -(-distance // unit)
    substitutions = errors * unit - distance
    unpaired = errors - substitutions
    insertions = (unpaired + len(hypothesis) - len(reference)) // 2
    return ErrorCounts(substitutions, insertions, unpaired - insertions, len(reference))
