"""From blocks of audio to utterances, as the audio comes in."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from speech.audio.blocks import Samples
from speech.chunk_recogniser import ChunkRecogniser
from speech.model_folder import ModelFolder
from speech.recognisers import Emission, Recogniser, family_of
from speech.segments import (
    WORKING_BYTES,
    Chunk,
    Joiner,
    LookAhead,
    Piece,
    Segmenter,
    Span,
    VoiceDetector,
)
from speech.stage_times import StageTimes


class Utterance(NamedTuple):
    """What a decoder is given, from `start` to `end` in seconds.

    Attributes:
        emission: what the model gave, see `speech.recognisers.protocol.Emission`.
        channel: counted from 1; None if the channels were mixed.
    """

    emission: Any
    start: float
    end: float
    channel: int | None = None


class UtteranceStream:
    """Takes blocks of audio and returns the utterances that they complete.

    Utterances come in order of their chunks, which for each track is the order of time. They do not depend on
    how the audio is split into blocks.

    Attributes:
        times: seconds spent in "decode" and "infer", see `speech.events.Summary`.
        chunks_done: chunks at the beginning whose utterances were all yielded.
    """

    WORKING_BYTES = WORKING_BYTES
    """Memory that a batch may take on a CPU. Every attempt at a recording there must use the same."""

    def __init__(
        self,
        model: ModelFolder,
        recogniser: Recogniser[Any],
        detector: VoiceDetector | None,
        segmenters: Sequence[Segmenter],
        *,
        mixes: bool = True,
        skip_chunks: int = 0,
        gathers: bool = True,
    ) -> None:
        """
        Args:
            detector: None to take all that the segmenters find for speech.
            segmenters: one for each track.
            mixes: whether the only track is the mean of the channels.
            skip_chunks: chunks at the beginning to cut and not to recognise.
            gathers: whether to buffer chunks in order to fill batches. False recognises each chunk at once.
        """
        self.times = StageTimes("decode", "infer")
        self.chunks_done = 0
        self._rate = model.sample_rate
        self._segmenters = segmenters
        self._gathers = gathers
        limit = recogniser.gpu_batch_bytes or self.WORKING_BYTES
        self._look_ahead = LookAhead(self._rate, recogniser.working_bytes, limit)
        self._recogniser = ChunkRecogniser(model, recogniser, detector, limit)
        layout = family_of(model).layout(model)
        self._tracks = [
            _Track(Joiner(layout, model.frame_stride), None if mixes else channel)
            for channel in range(1, len(segmenters) + 1)
        ]
        self._skip_chunks = skip_chunks
        self._chunks_looked_at = 0
        self._starts: deque[int] = deque()
        """First samples of the chunks from `chunks_done` on, as far as they are cut."""
        self._finished: dict[int, Utterance | None] = {}
        """Chunks that are finished and whose turn has not come. An utterance is kept with its first chunk."""
        self._speech_samples = 0

    def push(self, block: Samples) -> Iterator[Utterance | None]:
        """Process the next block, shape (tracks, samples).

        Yields:
            The utterances that it completes, and None after each batch.
        """
        yield from self._add(self._cut(block))

    def flush(self) -> Iterator[Utterance | None]:
        """End the audio: yield the remaining utterances, and None after each batch."""
        yield from self._add(self._cut(None))
        yield None
        yield from self._recognise(self._look_ahead.flush())

    def _cut(self, block: Samples | None) -> list[Chunk]:
        """Return the chunks that a block of audio completes; None stands for the end."""
        with self.times.timed("decode"):
            chunks = [
                replace(chunk, track=track)
                for track, segmenter in enumerate(self._segmenters)
                for chunk in (segmenter.flush() if block is None else segmenter.push(block[track]))
            ]
            self._starts.extend(chunk.start_sample for chunk in chunks)
        return chunks

    def _add(self, chunks: Sequence[Chunk]) -> Iterator[Utterance | None]:
        lots = self._look_ahead.add(chunks, self._settled) if self._gathers else ([chunk] for chunk in chunks)
        for lot in lots:
            yield from self._recognise(lot)

    def _recognise(self, lot: Sequence[Chunk]) -> Iterator[Utterance | None]:
        """Run the model over the next lot of chunks."""
        with self.times.timed("decode"):
            voiced = self._recogniser.voiced(lot)
            self._count_speech(lot, voiced)
        first = self._chunks_looked_at
        self._chunks_looked_at += len(lot)
        skip = max(self._skip_chunks - first, 0)
        known: dict[int, Emission | None] = dict.fromkeys(range(min(skip, len(lot))))
        batches = self._recogniser.recognise(lot, voiced, skip)
        joined = 0
        while joined < len(lot):
            with self.times.timed("infer"):
                known |= next(batches)
            while joined in known:
                self._join(first + joined, lot[joined], known.pop(joined))
                joined += 1
            yield from self._ready()
            yield None

    def _count_speech(self, lot: Sequence[Chunk], voiced: Sequence[Sequence[Span]]) -> None:
        """Add up speech; the overlap of two windows counts once."""
        for chunk, spans in zip(lot, voiced, strict=True):
            track = self._tracks[chunk.track]
            for begin, end in spans:
                low = max(chunk.start_sample + begin, track.counted)
                self._speech_samples += max(chunk.start_sample + end - low, 0)
            track.counted = chunk.end_sample

    def _join(self, number: int, chunk: Chunk, emission: Emission | None) -> None:
        """Join the next chunk to what its track holds; `emission` is None for a chunk without voice."""
        track = self._tracks[chunk.track]
        if number < self._skip_chunks:
            self._finished[number] = None
            track.skipped = chunk if chunk.goes_on else None
            return
        if track.skipped is not None and emission is not None:
            with self.times.timed("infer"):
                before = self._recogniser.recognise_one(track.skipped)
            if before is not None:
                track.joiner.prime(before, self._seconds(track.skipped.start_sample))
        track.skipped = None
        if emission is None:
            self._finish(track, track.joiner.flush())
            self._finished[number] = None
            return
        track.waiting.append(number)
        start, end = self._seconds(chunk.start_sample), self._seconds(chunk.end_sample)
        self._finish(track, track.joiner.push(emission, start, end, chunk.follows, chunk.goes_on))

    def _finish(self, track: "_Track", pieces: Sequence[Piece[Any]]) -> None:
        """Make an utterance of each piece. It belongs to the first of the windows it was joined from."""
        for piece in pieces:
            first, *others = (track.waiting.popleft() for _ in range(piece.windows))
            self._finished[first] = Utterance(piece.emission, piece.start, piece.end, track.channel)
            self._finished |= dict.fromkeys(others)

    def _ready(self) -> Iterator[Utterance]:
        """The utterances of the chunks that are finished, up to the first chunk that is not."""
        while self.chunks_done in self._finished:
            utterance = self._finished.pop(self.chunks_done)
            if utterance is not None:
                yield utterance
            self.chunks_done += 1
            self._starts.popleft()

    @property
    def known_samples(self) -> int:
        """The words of the samples before this one are known, or there are none."""
        return min(self._starts, default=self._settled)

    @property
    def _settled(self) -> int:
        """Samples before this one are in chunks that were cut, or in none."""
        return min(segmenter.settled for segmenter in self._segmenters)

    def _seconds(self, sample: int) -> float:
        return sample / self._rate

    @property
    def speech_seconds(self) -> float:
        """Seconds taken for speech so far, over all tracks."""
        return self._seconds(self._speech_samples)

    @property
    def fills(self) -> tuple[float, ...]:
        """For each batch so far, the part of it that was audio and not padding."""
        return tuple(self._recogniser.fills)


class _Track:
    """What is kept of one track between its chunks.

    Attributes:
        waiting: chunks that the joiner holds.
        skipped: the last chunk, if it was skipped and the next one overlaps it.
        counted: samples before this one were counted as speech or not.
    """

    def __init__(self, joiner: Joiner[Any], channel: int | None) -> None:
        self.joiner = joiner
        self.channel = channel
        self.waiting: deque[int] = deque()
        self.skipped: Chunk | None = None
        self.counted = 0
