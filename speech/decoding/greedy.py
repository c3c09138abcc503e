"""From CTC log-probabilities to words with times and confidences, as array operations over the frames.

Source: A. Graves et al., "Connectionist Temporal Classification" (ICML 2006), best path decoding.
"""

import re
from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from shrutlekh_contract.decoders import GREEDY

from speech.decoding.confidence import FEATURES, Calibration
from speech.decoding.heard import NOTHING, Heard, Integers
from speech.decoding.plausibility import Plausibility
from speech.decoding.word_times import WordTimes
from speech.model_folder import WORD_MARK, ModelFolder
from speech.text import transcript_text
from transcript.words import Word

LogProbs = npt.NDArray[np.float32]
E_contra = TypeVar("E_contra", contravariant=True)

_SPECIAL = re.compile(r"<[^<>]+>")


class Decoder(Protocol[E_contra]):
    """What the engine needs of a decoder, for one kind of emissions.

    Attributes:
        plausibility: decides which of its words are written.
    """

    plausibility: Plausibility

    def hear(self, emission: E_contra, /) -> Heard:
        """Decode an utterance."""
        ...

    def timed(self, heard: Heard, start: float = 0.0, end: float = np.inf) -> tuple[Word, ...]:
        """Return what `hear` found, or a part of it, with times and confidences.

        Args:
            start, end: of the utterance, in seconds of the recording.
        """
        ...

    def words(self, emission: E_contra, /, start: float = 0.0, end: float = np.inf) -> tuple[Word, ...]:
        """Return all words of an utterance, plausible or not."""
        ...


class PathReader:
    """The words that a path, one token a frame, spells in one vocabulary.

    Args:
        tokens: text of each id. One that begins with "▁" begins a word; "▁" alone is the space between
            words. Names in angle brackets ("<unk>") stand for no text and are dropped.
        blank_id: the blank of CTC.
        frame_stride: seconds between two frames.
        times: from the path's times to the words'.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        blank_id: int,
        frame_stride: float,
        times: WordTimes | None = None,
    ) -> None:
        self._blank_id = blank_id
        self._frame_stride = frame_stride
        self._times = times or WordTimes()
        shown = ["" if _SPECIAL.fullmatch(token) else token for token in tokens]
        self._pieces = [token.replace(WORD_MARK, "") for token in shown]
        self._starts_word = np.array([token.startswith(WORD_MARK) for token in shown], dtype=bool)
        self._has_text = np.array([bool(piece) for piece in self._pieces], dtype=bool)

    def hear(self, path: Integers, log_probs: LogProbs) -> Heard:
        """The words of a path.

        A token lasts for its run of frames and its probability is its highest one in the run.

        Args:
            path: token ids of shape (frames,), with blanks and repetitions.
            log_probs: natural logarithms of shape (frames, vocabulary).
        """
        if not len(path):
            return NOTHING
        best = log_probs[np.arange(len(path)), path]
        run_starts = np.flatnonzero(np.concatenate(([True], path[1:] != path[:-1])))
        run_ends = np.append(run_starts[1:], len(path))
        ids = path[run_starts]
        scores = np.maximum.reduceat(best, run_starts)

        emitted = ids != self._blank_id
        word_index = np.cumsum(self._starts_word[ids] & emitted)
        shown = np.flatnonzero(emitted & self._has_text[ids])
        if not len(shown):
            return NOTHING
        ids, scores, word_index = ids[shown], scores[shown], word_index[shown]
        begins = np.flatnonzero(np.concatenate(([True], word_index[1:] != word_index[:-1])))
        counts = np.diff(np.append(begins, len(ids)))
        firsts = run_starts[shown[begins]]
        lasts = run_ends[shown[begins + counts - 1]]
        behind = np.concatenate(([0.0], np.cumsum(best - log_probs.max(axis=1), dtype=np.float64)))
        around = behind[np.append(firsts[1:], len(path))] - behind[np.append(0, lasts[:-1])]
        features = np.zeros((len(begins), len(FEATURES)))
        features[:, 0] = np.add.reduceat(scores, begins) / counts
        features[:, 1] = around / counts
        features[:, 2] = np.log(counts)
        pieces = [self._pieces[index] for index in ids.tolist()]
        texts = tuple(
            transcript_text("".join(pieces[begin : begin + count]))
            for begin, count in zip(begins.tolist(), counts.tolist(), strict=True)
        )
        return Heard(texts, firsts, lasts, features)

    def words(
        self, heard: Heard, calibration: Calibration | None, start: float = 0.0, end: float = np.inf
    ) -> tuple[Word, ...]:
        """Words with times and confidences: in order, not overlapping, within `start` and `end`.

        Args:
            calibration: None for the geometric mean of the tokens' probabilities.
            start: seconds at which the utterance begins in the recording.
            end: seconds at which it ends.
        """
        return self._times.words(heard, self._frame_stride, calibration, start, end)


class GreedyDecoder:
    """Best path decoding: the likeliest token of each frame.

    Args:
        tokens, blank_id, frame_stride, times: as `PathReader` takes them.
        calibration: as `PathReader.words` takes it.
        plausibility: see `Decoder`. None writes all but improbable repetitions.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        blank_id: int,
        frame_stride: float,
        times: WordTimes | None = None,
        calibration: Calibration | None = None,
        plausibility: Plausibility | None = None,
    ) -> None:
        self.plausibility = plausibility or Plausibility()
        self._reader = PathReader(tokens, blank_id, frame_stride, times)
        self._calibration = calibration

    @classmethod
    def of_model(cls, model: ModelFolder) -> "GreedyDecoder":
        """The decoder of a model folder. Raises ModelInvalid where model.json's `decoding` is wrong."""
        return cls(
            model.tokens,
            model.blank_id,
            model.frame_stride,
            WordTimes.of_model(model.decoding),
            Calibration.of_model(model.decoding, GREEDY),
            Plausibility.of_model(model.decoding, GREEDY),
        )

    def hear(self, log_probs: LogProbs) -> Heard:
        """What is known of each word."""
        return self._reader.hear(log_probs.argmax(axis=1), log_probs)

    def timed(self, heard: Heard, start: float = 0.0, end: float = np.inf) -> tuple[Word, ...]:
        return self._reader.words(heard, self._calibration, start, end)

    def words(self, log_probs: LogProbs, start: float = 0.0, end: float = np.inf) -> tuple[Word, ...]:
        return self.timed(self.hear(log_probs), start, end)
