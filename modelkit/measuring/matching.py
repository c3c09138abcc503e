"""Match the words of a hypothesis with those of the reference."""

from collections.abc import Sequence

import numpy as np


def matches(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[int, int]]:
    """Return the positions of equal words, in order, in an edit script with the fewest edits.

    R. Wagner, M. Fischer, "The String-to-String Correction Problem" (J. ACM 1974).
    """
    rows, columns = len(reference), len(hypothesis)
    costs = np.zeros((rows + 1, columns + 1), np.int64)
    costs[:, 0], costs[0] = np.arange(rows + 1), np.arange(columns + 1)
    for row in range(rows):
        for column in range(columns):
            costs[row + 1, column + 1] = min(
                costs[row, column] + (reference[row] != hypothesis[column]),
                costs[row, column + 1] + 1,
                costs[row + 1, column] + 1,
            )
    found = []
    row, column = rows, columns
    while row and column:
        equal = reference[row - 1] == hypothesis[column - 1]
        if costs[row, column] == costs[row - 1, column - 1] + (not equal):
            row, column = row - 1, column - 1
            if equal:
                found.append((row, column))
        elif costs[row, column] == costs[row - 1, column] + 1:
            row -= 1
        else:
            column -= 1
    return found[::-1]
