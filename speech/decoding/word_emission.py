"""The words of models that give words, such as Whisper: there is nothing left to search."""

from dataclasses import dataclass, replace

import numpy as np
from shrutlekh_contract.decoders import GREEDY

from speech.decoding.confidence import Calibration
from speech.decoding.heard import NOTHING, Heard
from speech.decoding.plausibility import Plausibility
from speech.decoding.word_times import WordTimes
from speech.model_folder import ModelFolder
from transcript.words import Word


@dataclass(frozen=True, slots=True)
class WordEmission:
    """The words in a number of frames, as a sequence of frames: a slice has the words whose middle it covers.

    Attributes:
        heard: words in order, which do not overlap and last for a frame at least.
        frames: may be fewer than the last word needs.
    """

    heard: Heard
    frames: int

    def __len__(self) -> int:
        return self.frames

    def __getitem__(self, frames: slice, /) -> "WordEmission":
        begin, end, _ = frames.indices(self.frames)
        if begin >= end:
            return WordEmission(NOTHING, 0)
        twice = self.heard.firsts + self.heard.lasts
        # What lies behind the last frame belongs to the slice that has it.
        before_end = np.ones(len(twice), bool) if end == self.frames else twice < 2 * end
        after_begin = np.ones(len(twice), bool) if begin == 0 else twice >= 2 * begin
        kept = self.heard.only(before_end & after_begin)
        return WordEmission(moved(kept, -begin), end - begin)


def moved(heard: Heard, frames: int) -> Heard:
    """Return words that begin so many frames later. None begins before frame 0."""
    firsts = np.maximum(heard.firsts + frames, 0)
    return replace(heard, firsts=firsts, lasts=np.maximum(heard.lasts + frames, firsts))


class WordDecoder:
    """Gives the words of an emission times and confidences.

    Args:
        frame_stride: seconds between two frames.
        times: from the model's times to the words'.
        calibration: None for the geometric mean of the tokens' probabilities.
        plausibility: see `speech.decoding.Decoder`.
    """

    def __init__(
        self,
        frame_stride: float,
        times: WordTimes,
        calibration: Calibration | None,
        plausibility: Plausibility,
    ) -> None:
        self.plausibility = plausibility
        self._frame_stride = frame_stride
        self._times = times
        self._calibration = calibration

    @classmethod
    def of_model(cls, model: ModelFolder) -> "WordDecoder":
        """The decoder of a model folder. Raises ModelInvalid where model.json's `decoding` is wrong."""
        return cls(
            model.frame_stride,
            WordTimes.of_model(model.decoding),
            Calibration.of_model(model.decoding, GREEDY),
            Plausibility.of_model(model.decoding, GREEDY),
        )

    def hear(self, emission: WordEmission, /) -> Heard:
        return emission.heard

    def timed(self, heard: Heard, start: float = 0.0, end: float = np.inf) -> tuple[Word, ...]:
        return self._times.words(heard, self._frame_stride, self._calibration, start, end)

    def words(self, emission: WordEmission, /, start: float = 0.0, end: float = np.inf) -> tuple[Word, ...]:
        return self.timed(emission.heard, start, end)
