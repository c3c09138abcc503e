"""Stretches of speech to log-probabilities: leaves out where nobody speaks, runs the graph in batches."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from speech.model_folder import ModelFolder
from speech.recognisers.onnx_ctc import Recogniser
from speech.segments.batches import WORKING_BYTES, plan
from speech.segments.energy import Chunk
from speech.segments.voice import Span, VoiceDetector

LogProbs = npt.NDArray[np.float32]

_NEVER = -30.0


class _Part(NamedTuple):
    """What goes through the graph: a span of the chunk of this number in its lot."""

    number: int
    begin: int
    samples: npt.NDArray[np.float32]


class Listener:
    """Hears chunks for one model. Without a detector all of a chunk is speech.

    Attributes:
        fills: of each run of the graph so far, the part that was audio and not padding.
    """

    def __init__(
        self,
        model: ModelFolder,
        recogniser: Recogniser,
        detector: VoiceDetector | None,
        working_bytes: int = WORKING_BYTES,
    ) -> None:
        """`working_bytes`: see `speech.segments.batches`."""
        self._rate = model.sample_rate
        self._stride = max(round(model.frame_stride * model.sample_rate), 1)
        self._recogniser = recogniser
        self._detector = detector
        self._working_bytes = working_bytes
        self.fills: list[float] = []
        self._silence = np.full(len(model.tokens), _NEVER, np.float32)
        self._silence[model.blank_id if model.space_id is None else model.space_id] = 0.0

    def voiced(self, chunks: Sequence[Chunk]) -> list[list[Span]]:
        """Spans of each chunk, from its start, in which somebody may speak; they begin at a frame."""
        if self._detector is None:
            return [[(0, len(chunk.samples))] for chunk in chunks]
        silent = self._detector.without_voice([chunk.samples for chunk in chunks])
        return [
            _complement(spans, len(chunk.samples), self._stride)
            for chunk, spans in zip(chunks, silent, strict=True)
        ]

    def hear(
        self, chunks: Sequence[Chunk], voiced: Sequence[Sequence[Span]], skip: int = 0
    ) -> Iterator[dict[int, LogProbs | None]]:
        """Runs the graph over a lot of chunks.

        Yields:
            After each run, and once before, the chunks that became known, by their numbers in the lot: each
            once, but for those before `skip`, whose runs are left out where no other chunk needs them. Log-
            probabilities of shape (frames, vocabulary) are those of silence where nobody speaks; None for a
            chunk without voice.
        """
        parts = [
            _Part(number, begin, chunk.samples[begin:end])
            for number, (chunk, spans) in enumerate(zip(chunks, voiced, strict=True))
            for begin, end in spans
        ]
        missing = [len(spans) for spans in voiced]
        heard: dict[int, LogProbs] = {}
        yield {number: None for number, count in enumerate(missing) if not count}
        lengths = [len(part.samples) for part in parts]
        for group in plan(lengths, self._rate, self._recogniser.working_bytes, self._working_bytes):
            run = [parts[index] for index in group]
            if run[-1].number < skip:
                continue
            outputs = self._recogniser.log_probs([part.samples for part in run])
            sizes = [len(part.samples) for part in run]
            self.fills.append(sum(sizes) / (len(sizes) * max(sizes)))
            known: dict[int, LogProbs | None] = {}
            for part, log_probs in zip(run, outputs, strict=True):
                self._place(heard, chunks[part.number], part, log_probs)
                missing[part.number] -= 1
                if not missing[part.number]:
                    known[part.number] = heard.pop(part.number)
            yield known

    def hear_one(self, chunk: Chunk) -> LogProbs | None:
        """As `voiced` and `hear`, for a chunk by itself."""
        found: dict[int, LogProbs | None] = {}
        for known in self.hear([chunk], self.voiced([chunk])):
            found |= known
        return found[0]

    def _place(self, heard: dict[int, LogProbs], chunk: Chunk, part: _Part, log_probs: LogProbs) -> None:
        if len(part.samples) == len(chunk.samples):
            heard[part.number] = log_probs
            return
        if part.number not in heard:
            frames = max(len(chunk.samples) // self._stride, 1)
            heard[part.number] = np.tile(self._silence, (frames, 1))
        place = heard[part.number][part.begin // self._stride :]
        place[: len(log_probs)] = log_probs[: len(place)]


def _complement(spans: Sequence[Span], length: int, stride: int) -> list[Span]:
    """What of 0..length-1 is outside of `spans`, each beginning moved to the front by less than `stride`."""
    found = []
    begin = 0
    for low, high in [*spans, (length, length)]:
        if begin < low:
            found.append((begin - begin % stride, low))
        begin = high
    return found
