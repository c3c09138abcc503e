"""When words are spoken: from frames of a model to seconds of a recording."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from speech.decoding.confidence import Calibration, plain_confidences
from speech.decoding.heard import Heard
from speech.errors import ModelInvalid
from transcript.words import Word


@dataclass(frozen=True, slots=True)
class WordTimes:
    """Seconds from where the path has a word to where it is heard: a CTC model says a token in the midst of
    its sound, and the last one of a word early. Measured by `modelkit times --fit`."""

    start: float = 0.0
    end: float = 0.0

    @classmethod
    def of_model(cls, decoding: Mapping[str, Any]) -> "WordTimes":
        """Those of model.json's `decoding.times`, else zeros.

        Raises:
            ModelInvalid: they are no numbers within a second.
        """
        try:
            found = cls(**{name: float(value) for name, value in decoding.get("times", {}).items()})
        except (AttributeError, TypeError, ValueError) as error:
            raise ModelInvalid(f"'decoding.times' in model.json: {error}.") from error
        if not all(math.isfinite(value) and abs(value) <= 1.0 for value in (found.start, found.end)):
            raise ModelInvalid("'decoding.times' in model.json: start and end must be within a second.")
        return found

    def words(
        self, heard: Heard, frame_stride: float, calibration: Calibration | None, start: float, end: float
    ) -> tuple[Word, ...]:
        """Words with times and confidences: in order, not overlapping, within `start` and `end`.

        Args:
            frame_stride: seconds between two frames.
            calibration: None for the geometric mean of the tokens' probabilities.
            start: seconds at which the utterance begins in the recording.
            end: seconds at which it ends.
        """
        known = heard.features
        confidences = plain_confidences(known) if calibration is None else calibration.confidences(known)
        starts = np.clip(start + heard.firsts * frame_stride + self.start, start, end)
        ends = np.minimum(start + heard.lasts * frame_stride + self.end, np.append(starts[1:], end))
        ends = np.maximum(ends, starts)
        return tuple(
            Word(text, word_start, word_end, confidence)
            for text, word_start, word_end, confidence in zip(
                heard.texts, starts.tolist(), ends.tolist(), confidences.tolist(), strict=True
            )
        )
