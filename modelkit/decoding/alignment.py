"""Forced alignment: find when each token of a known text was spoken, with the CTC lattice.

Source: A. Graves et al., "Connectionist Temporal Classification" (ICML 2006), section 4.1: the text with a
blank before, between and after its tokens; here with the most probable path instead of the sum over all.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def align(
    log_probs: npt.NDArray[np.float32], tokens: Sequence[int], blank_id: int
) -> npt.NDArray[np.intp] | None:
    """Return the most probable path that spells `tokens`: one token id per frame, including blanks.

    Vectorised over the states of a frame. Time and memory are proportional to frames times tokens.

    Args:
        log_probs: natural logarithms of shape (frames, vocabulary).
        tokens: ids in order, without blanks.

    Returns:
        Shape (frames,), or None if there are too few frames: each token needs one, and two equal tokens in a
        row a blank between them.
    """
    frames = len(log_probs)
    states = np.full(2 * len(tokens) + 1, blank_id, np.intp)
    states[1::2] = tokens
    # A path may go from a token to the next without a blank, unless they are equal.
    skips = np.full(len(states), -np.inf)
    skips[3::2] = np.where(states[3::2] != states[1:-2:2], 0.0, -np.inf)
    needed = len(tokens) + int(np.count_nonzero(states[3::2] == states[1:-2:2]))
    if frames < max(needed, 1):
        return None
    emissions = log_probs[:, states].astype(np.float64)
    score = np.full(len(states), -np.inf)
    score[:2] = emissions[0, :2]
    came_from = np.zeros((frames, len(states)), np.int8)
    ways = np.full((3, len(states)), -np.inf)  # staying, one state on, two on
    for frame in range(1, frames):
        ways[0] = score
        ways[1, 1:] = score[:-1]
        ways[2, 2:] = score[:-2] + skips[2:]
        best = came_from[frame] = ways.argmax(axis=0)
        score = ways[best, np.arange(len(states))] + emissions[frame]
    state = len(states) - 1
    if len(states) > 1 and score[-2] > score[-1]:
        state -= 1
    path = np.empty(frames, np.intp)
    for frame in range(frames - 1, -1, -1):
        path[frame] = states[state]
        state -= int(came_from[frame, state])
    return path
