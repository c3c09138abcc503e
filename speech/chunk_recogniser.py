"""Turn chunks into emissions: skip what has no voice, run the model in batches."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from speech.model_folder import ModelFolder
from speech.recognisers import Emission, Recogniser, Samples, family_of
from speech.segments import WORKING_BYTES, Chunk, Span, VoiceDetector, plan, raise_quiet


class _Part(NamedTuple):
    """A row of a batch: a span of chunk `number` of a lot."""

    number: int
    span: Span
    samples: Samples


class ChunkRecogniser:
    """Runs one model over chunks, in batches. Without a detector all of a chunk is speech.

    Attributes:
        fills: for each batch so far, the part of it that was audio and not padding.
    """

    def __init__(
        self,
        model: ModelFolder,
        recogniser: Recogniser[Any],
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
        self._layout = family_of(model).layout(model)

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
    ) -> Iterator[dict[int, Emission | None]]:
        """Run the model over a lot of chunks.

        Args:
            voiced: what `voiced` found in the lot.
            skip: chunks before this one are not needed. Batches that hold none but them are not run.

        Yields:
            Once before the first batch and then after each one, the chunks that became known, by their
            numbers in the lot: each once, except those before `skip`. None stands for a chunk without voice.
        """
        runs = [self._layout.runs(spans) if spans else () for spans in voiced]
        parts = [
            _Part(number, (begin, end), raise_quiet(chunk.samples[begin:end], self._rate))
            for number, (chunk, spans) in enumerate(zip(lot, runs, strict=True))
            for begin, end in spans
        ]
        missing = [len(spans) for spans in runs]
        incomplete: list[list[tuple[Span, Emission]]] = [[] for _ in lot]
        yield {number: None for number, count in enumerate(missing) if not count}
        lengths = [len(part.samples) for part in parts]
        for group in plan(lengths, self._rate, self._recogniser.working_bytes, self._working_bytes):
            batch = [parts[index] for index in group]
            if batch[-1].number < skip:
                continue
            outputs = self._recogniser.emissions([part.samples for part in batch])
            sizes = [len(part.samples) for part in batch]
            self.fills.append(sum(sizes) / (len(sizes) * max(sizes)))
            known: dict[int, Emission | None] = {}
            for part, emission in zip(batch, outputs, strict=True):
                incomplete[part.number].append((part.span, emission))
                missing[part.number] -= 1
                if not missing[part.number]:
                    samples = len(lot[part.number].samples)
                    known[part.number] = self._layout.lay_out(incomplete[part.number], samples)
                    incomplete[part.number].clear()
            yield known

    def recognise_one(self, chunk: Chunk) -> Emission | None:
        """Run the model over a single chunk; None if nobody speaks in it."""
        return self.recognise_spans(chunk, self.voiced([chunk])[0])

    def recognise_spans(self, chunk: Chunk, voiced: Sequence[Span]) -> Emission | None:
        """As `recognise_one`, with the spans that `voiced` found; None if there are none."""
        found: dict[int, Emission | None] = {}
        for known in self.recognise([chunk], [voiced]):
            found |= known
        return found[0]


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
