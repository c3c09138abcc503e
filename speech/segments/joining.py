"""Where one window of continuous speech ends and the next begins, told by what the model heard in both.

Windows overlap. In the overlap both have log-probabilities for the same frames; the seam is put where both
are between two words, and most surely so. What is left of it comes from the first window and the rest from
the second, so that no word is cut or doubled, and no text has to be compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from speech.model_folder import WORD_MARK

LogProbs = npt.NDArray[np.float32]


class _Frames(Protocol):
    def __len__(self) -> int: ...

    def __getitem__(self, frames: slice, /) -> Any: ...


E = TypeVar("E", bound=_Frames)

GUARD_SECONDS = 0.4
"""At the edges of a window its model lacks context: no seam there."""

NEIGHBOUR_SECONDS = 0.12
"""Both windows must agree this far around a seam."""

MIN_AGREEMENT = 0.5
"""Bhattacharyya coefficient of the two windows' distributions around a seam that is relied on."""

MAX_WINDOWS = 4
"""Windows joined at most while no seam between words is found."""


@dataclass(frozen=True, slots=True)
class Seam:
    """Where two windows are joined.

    Attributes:
        left: frame of the overlap where the first window ends.
        right: frame of the overlap where the second window begins. It is another one only if the two windows
            have the same word at different times.
        between_words: both windows agree that no word is said there.
    """

    left: int
    right: int
    between_words: bool


class Seams(Protocol[E]):
    """Finds seams, and puts windows together."""

    def find(self, left: E, right: E) -> Seam:
        """Find the best seam in an overlap of one frame or more, recognised in two windows."""
        ...

    def concatenate(self, left: E, right: E) -> E:
        """Put an emission behind another."""
        ...


class SeamFinder:
    """Finds seams of log-probabilities for one vocabulary.

    Args:
        tokens: text of each id; "▁" alone is the space between words, a token that begins with it begins one.
        blank_id: the blank of CTC.
        frame_stride: seconds between two frames.
    """

    def __init__(self, tokens: Sequence[str], blank_id: int, frame_stride: float) -> None:
        self._blank_id = blank_id
        self._space = np.array([token == WORD_MARK for token in tokens])
        self._starts = np.array([token.startswith(WORD_MARK) for token in tokens])
        self._guard = round(GUARD_SECONDS / frame_stride)
        self._near = max(round(NEIGHBOUR_SECONDS / frame_stride), 1)

    def find(self, left: LogProbs, right: LogProbs) -> Seam:
        """The best seam in an overlap of one frame or more.

        Args:
            left, right: log-probabilities of the same frames by both windows, shape (frames, vocabulary).
        """
        frames = len(left)
        guard = min(self._guard, (frames - 1) // 2)
        agreement = np.exp((left + right) / 2).sum(axis=1)
        around = np.ones(2 * self._near + 1) / (2 * self._near + 1)
        padded = np.pad(np.log(np.maximum(agreement, 1e-6)), self._near, mode="edge")
        nearby = np.convolve(padded, around, mode="valid")
        silent = np.minimum(self._silence(left), self._silence(right))
        score = nearby + np.log(np.maximum(silent, 1e-6))
        inside = np.zeros(frames, bool)
        inside[guard : frames - guard] = True
        between = inside & self._between(left) & self._between(right) & (nearby >= np.log(MIN_AGREEMENT))
        found = bool(between.any())
        allowed = between if found else inside
        # The best; of equals the one nearest to the middle, where both windows have the most context.
        middle = np.abs(np.arange(frames) - frames / 2) * 1e-6
        frame = int(np.where(allowed, score - middle, -np.inf).argmax())
        return Seam(frame, frame, found)

    def concatenate(self, left: LogProbs, right: LogProbs) -> LogProbs:
        return np.concatenate((left, right))

    def _silence(self, log_probs: LogProbs) -> npt.NDArray[np.float64]:
        """Probability in each frame that no letter is emitted."""
        silent = np.exp(log_probs[:, self._space]).sum(axis=1) + np.exp(log_probs[:, self._blank_id])
        result: npt.NDArray[np.float64] = silent.astype(np.float64)
        return result

    def _between(self, log_probs: LogProbs) -> npt.NDArray[np.bool_]:
        """Frames between two words on the best path: a space, or a blank beside a word's beginning or a
        space."""
        path = log_probs.argmax(axis=1)
        blank = path == self._blank_id
        frames = np.arange(len(path))
        emitted = np.where(blank, -1, frames)
        before = np.maximum.accumulate(emitted)
        after = np.minimum.accumulate(np.where(blank, len(path), frames)[::-1])[::-1]
        follows_space = (before < 0) | self._space[path[np.maximum(before, 0)]]
        precedes_word = (after == len(path)) | self._starts[path[np.minimum(after, len(path) - 1)]]
        result: npt.NDArray[np.bool_] = self._space[path] | (blank & (follows_space | precedes_word))
        return result


@dataclass(frozen=True, slots=True)
class Piece(Generic[E]):
    """The emission of whole words, from `start` to `end`, seconds in the recording, and the number of
    windows that are finished with them."""

    start: float
    end: float
    emission: E
    windows: int


class Joiner(Generic[E]):
    """Joins the windows of one track; holds back what is behind the last seam.

    Memory is bounded by MAX_WINDOWS windows.
    """

    def __init__(self, seams: Seams[E], frame_stride: float) -> None:
        self._seams = seams
        self._stride = frame_stride
        self._held: E | None = None
        self._held_start = 0.0
        self._held_end = 0.0
        self._windows = 0

    def push(self, emission: E, start: float, end: float, follows: bool, goes_on: bool) -> list[Piece[E]]:
        """Takes the next window, heard from `start` to `end` seconds; returns what is complete with it.

        Args:
            follows: it overlaps the window pushed before. If that is not held, it begins by itself.
            goes_on: the next window overlaps it.
        """
        pieces = []
        if follows and self._held is not None:
            pieces = self._join(emission, start)
        else:
            pieces = self.flush()
            self._held, self._held_start, self._windows = emission, start, 0
        self._held_end = end
        self._windows += 1
        return pieces if goes_on else pieces + self.flush()

    def flush(self) -> list[Piece[E]]:
        """Ends what is held."""
        if self._held is None:
            return []
        piece = Piece(self._held_start, self._held_end, self._held, self._windows)
        self._held, self._windows = None, 0
        return [piece]

    def prime(self, emission: E, start: float) -> None:
        """Holds a window only for the seam with the next one: what is before it has been handed out."""
        self._held, self._held_start, self._windows = emission, start, 0

    def _join(self, emission: E, start: float) -> list[Piece[E]]:
        assert self._held is not None
        offset = min(max(round((start - self._held_start) / self._stride), 0), len(self._held))
        overlap = min(len(self._held) - offset, len(emission))
        seam = Seam(0, 0, True)
        if overlap:
            seam = self._seams.find(self._held[offset : offset + overlap], emission[:overlap])
        done: E = self._held[: offset + seam.left]
        rest: E = emission[seam.right :]
        begin = start + seam.right * self._stride
        if not self._windows:  # primed
            self._held, self._held_start = rest, begin
            return []
        if not seam.between_words and self._windows < MAX_WINDOWS:
            self._held = self._seams.concatenate(done, rest)
            return []
        piece = Piece(self._held_start, begin, done, self._windows)
        self._held, self._held_start, self._windows = rest, begin, 0
        return [piece]
