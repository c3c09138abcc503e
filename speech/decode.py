"""From CTC log-probabilities to words with times and confidences, as array operations over the frames.

Source: A. Graves et al., "Connectionist Temporal Classification" (ICML 2006), best path decoding.
"""

import re
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from speech.model import WORD_MARK
from speech.text import transcript_text
from transcript.words import Word

_SPECIAL = re.compile(r"<[^<>]+>")


class Decoder(Protocol):
    """What the engine needs of a decoder."""

    def words(
        self, log_probs: npt.NDArray[np.float32], start: float = 0.0, end: float = np.inf
    ) -> tuple[Word, ...]:
        """Words of one utterance: `log_probs` of shape (frames, vocabulary), natural logarithms, heard from
        `start` to `end`, seconds in the recording."""
        ...


class PathReader:
    """The words that a path, one token a frame, spells in one vocabulary.

    Args:
        tokens: text of each id. One that begins with "▁" begins a word; "▁" alone is the space between
            words. Names in angle brackets ("<unk>") stand for no text and are dropped.
        blank_id: the blank of CTC.
        frame_stride: seconds between two frames.
    """

    def __init__(self, tokens: Sequence[str], blank_id: int, frame_stride: float) -> None:
        self._blank_id = blank_id
        self._frame_stride = frame_stride
        shown = ["" if _SPECIAL.fullmatch(token) else token for token in tokens]
        self._pieces = [token.replace(WORD_MARK, "") for token in shown]
        self._starts_word = np.array([token.startswith(WORD_MARK) for token in shown], dtype=bool)
        self._has_text = np.array([bool(piece) for piece in self._pieces], dtype=bool)

    def read(
        self,
        path: npt.NDArray[np.intp],
        log_probs: npt.NDArray[np.float32],
        start: float = 0.0,
        end: float = np.inf,
    ) -> tuple[Word, ...]:
        """Words of one utterance.

        A token lasts for its run of frames and its confidence is its highest probability in the run. A word
        lasts from the start of its first token to the end of its last one; its confidence is the geometric
        mean of its tokens'.

        Args:
            path: token ids of shape (frames,), with blanks and repetitions.
            log_probs: natural logarithms of shape (frames, vocabulary).
            start: seconds at which the utterance begins in the recording.
            end: seconds at which it ends; no word lasts longer.
        """
        if not len(path):
            return ()
        best = log_probs[np.arange(len(path)), path]
        run_starts = np.flatnonzero(np.concatenate(([True], path[1:] != path[:-1])))
        run_ends = np.append(run_starts[1:], len(path))
        ids = path[run_starts]
        scores = np.maximum.reduceat(best, run_starts)

        emitted = ids != self._blank_id
        word_index = np.cumsum(self._starts_word[ids] & emitted)
        shown = np.flatnonzero(emitted & self._has_text[ids])
        if not len(shown):
            return ()
        ids, scores, word_index = ids[shown], scores[shown], word_index[shown]
        firsts = np.flatnonzero(np.concatenate(([True], word_index[1:] != word_index[:-1])))
        lasts = np.append(firsts[1:], len(ids)) - 1
        confidences = np.exp(np.minimum(np.add.reduceat(scores, firsts) / (lasts - firsts + 1), 0.0))
        starts = np.minimum(start + run_starts[shown[firsts]] * self._frame_stride, end)
        ends = np.minimum(start + run_ends[shown[lasts]] * self._frame_stride, end)
        pieces = [self._pieces[index] for index in ids]
        return tuple(
            Word(
                transcript_text("".join(pieces[first : last + 1])),
                float(word_start),
                float(word_end),
                float(confidence),
            )
            for first, last, word_start, word_end, confidence in zip(
                firsts, lasts, starts, ends, confidences, strict=True
            )
        )


class GreedyDecoder:
    """Best path decoding: the likeliest token of each frame. See `PathReader` for the arguments."""

    def __init__(self, tokens: Sequence[str], blank_id: int, frame_stride: float) -> None:
        self._reader = PathReader(tokens, blank_id, frame_stride)

    def words(
        self, log_probs: npt.NDArray[np.float32], start: float = 0.0, end: float = np.inf
    ) -> tuple[Word, ...]:
        return self._reader.read(log_probs.argmax(axis=1), log_probs, start, end)
