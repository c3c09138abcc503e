"""Turn chunks into log-probabilities: skip what has no voice, run the graph in batches."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from speech.model_folder import ModelFolder
from speech.recognisers import LogProbs, Recogniser, Samples
from speech.segments import WORKING_BYTES, Chunk, Span, VoiceDetector, plan, raise_quiet

_NEVER = -30.0


class _Part(NamedTuple):
    """A row of a batch: the span of chunk `number` of a lot that begins at sample `begin` of the chunk."""

    number: int
    begin: int
    samples: Samples


class ChunkRecogniser:
    """Runs one model over chunks, in batches. Without a detector all of a chunk is speech.

    Attributes:
        fills: for each batch so far, the part of it that was audio and not padding.
    """

    def __init__(
        self,
        model: ModelFolder,
        recogniser: Recogniser,
        detector: VoiceDetector | None,
        working_bytes: int = WORKING_BYTES,
    ) -> None:
        """`working_bytes`: memory that a batch may take."""
        self._rate = model.sample_rate
        self._stride = max(round(model.frame_stride * model.sample_rate), 1)
        self._recogniser = recogniser
        self._detector = detector
        self._working_bytes = working_bytes
        self.fills: list[float] = []
        self._silence = np.full(len(model.tokens), _NEVER, np.float32)
        self._silence[model.blank_id if model.space_id is None else model.space_id] = 0.0

    def voiced(self, chunks: Sequence[Chunk]) -> list[list[Span]]:
        """Find the spans of each chunk in which somebody may speak. They begin at a frame of the model."""
        if self._detector is None:
            return [[(0, len(chunk.samples))] for chunk in chunks]
        silent = self._detector.without_voice([chunk.samples for chunk in chunks])
        return [
            _complement(spans, len(chunk.samples), self._stride)
            for chunk, spans in zip(chunks, silent, strict=True)
        ]

    def recognise(
        self, lot: Sequence[Chunk], voiced: Sequence[Sequence[Span]], skip: int = 0
    ) -> Iterator[dict[int, LogProbs | None]]:
        """Run the graph over a lot of chunks.

        Args:
            voiced: what `voiced` found in the lot.
            skip: chunks before this one are not needed. Batches that hold none but them are not run.

        Yields:
            Once before the first batch and then after each one, the chunks that became known, by their
            numbers in the lot: each once, except those before `skip`. Log-probabilities, shape (frames,
            vocabulary), are those of silence where nobody speaks; None stands for a chunk without voice.
        """
        parts = [
            _Part(number, begin, raise_quiet(chunk.samples[begin:end], self._rate))
            for number, (chunk, spans) in enumerate(zip(lot, voiced, strict=True))
            for begin, end in spans
        ]
        missing = [len(spans) for spans in voiced]
        incomplete: dict[int, LogProbs] = {}
        yield {number: None for number, count in enumerate(missing) if not count}
        lengths = [len(part.samples) for part in parts]
        for group in plan(lengths, self._rate, self._recogniser.working_bytes, self._working_bytes):
            batch = [parts[index] for index in group]
            if batch[-1].number < skip:
                continue
            outputs = self._recogniser.log_probs([part.samples for part in batch])
            sizes = [len(part.samples) for part in batch]
            self.fills.append(sum(sizes) / (len(sizes) * max(sizes)))
            known: dict[int, LogProbs | None] = {}
            for part, log_probs in zip(batch, outputs, strict=True):
                self._place(incomplete, lot[part.number], part, log_probs)
                missing[part.number] -= 1
                if not missing[part.number]:
                    known[part.number] = incomplete.pop(part.number)
            yield known

    def recognise_one(self, chunk: Chunk) -> LogProbs | None:
        """Run the graph over a single chunk; None if nobody speaks in it."""
        return self.recognise_spans(chunk, self.voiced([chunk])[0])

    def recognise_spans(self, chunk: Chunk, voiced: Sequence[Span]) -> LogProbs | None:
        """As `recognise_one`, with the spans that `voiced` found; None if there are none."""
        found: dict[int, LogProbs | None] = {}
        for known in self.recognise([chunk], [voiced]):
            found |= known
        return found[0]

    def _place(self, incomplete: dict[int, LogProbs], chunk: Chunk, part: _Part, log_probs: LogProbs) -> None:
        """Copy the log-probabilities of a part to its position in the chunk."""
        if len(part.samples) == len(chunk.samples):
            incomplete[part.number] = log_probs
            return
        if part.number not in incomplete:
            frames = max(len(chunk.samples) // self._stride, 1)
            incomplete[part.number] = np.tile(self._silence, (frames, 1))
        place = incomplete[part.number][part.begin // self._stride :]
        place[: len(log_probs)] = log_probs[: len(place)]


def _complement(spans: Sequence[Span], length: int, stride: int) -> list[Span]:
    """The spans of 0 to `length` that are outside of `spans`, each moved forward to begin at a multiple of
    `stride`."""
    found = []
    begin = 0
    for low, high in [*spans, (length, length)]:
        if begin < low:
            found.append((begin - begin % stride, low))
        begin = high
    return found
