"""The log-probabilities of recordings, kept, so that many ways of decoding can be tried on them."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from modelkit.manifest import Entry
from speech.engine import Engine
from transcript.words import Word

LogProbs = npt.NDArray[np.float32]


class Utterance(NamedTuple):
    """What a decoder is given: log-probabilities of shape (frames, tokens) from `start` to `end`, seconds."""

    log_probs: LogProbs
    start: float
    end: float


class _Keeping:
    """A decoder that only keeps what it is given."""

    def __init__(self) -> None:
        self.kept: list[Utterance] = []

    def words(self, log_probs: LogProbs, start: float = 0.0, end: float = np.inf) -> tuple[Word, ...]:
        self.kept.append(Utterance(log_probs, start, end))
        return ()


def listen(engine: Engine, entries: Iterable[Entry], advance: Callable[[], None]) -> list[list[Utterance]]:
    """What the engine would decode of each recording; `advance` is called after each.

    Raises:
        SpeechError: a recording cannot be read; a note names it.
    """
    found = []
    usual = engine.decoder
    try:
        for entry in entries:
            engine.decoder = keeping = _Keeping()
            with engine.transcribe(entry.path) as transcription:
                for _ in transcription:
                    pass
            found.append(keeping.kept)
            advance()
    finally:
        engine.decoder = usual
    return found
