"""From audio to utterances: the way of one recording up to what a decoder is given."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import NamedTuple, Self

from shrutlekh_contract.audio_warnings import AudioWarning

from speech.audio import AudioReader
from speech.chunk_recogniser import ChunkRecogniser
from speech.events import Progress
from speech.model_folder import ModelFolder
from speech.recognisers import LogProbs, Recogniser
from speech.segments import (
    WORKING_BYTES,
    Chunk,
    Joiner,
    LookAhead,
    Piece,
    SeamFinder,
    Segmenter,
    Span,
    VoiceDetector,
)
from speech.stage_times import StageTimes
from speech.waveform import PeakMeter, Peaks


class Utterance(NamedTuple):
    """What a decoder is given: log-probabilities of shape (frames, tokens), from `start` to `end` in seconds.

    Attributes:
        channel: counted from 1; None if the channels were mixed.
    """

    log_probs: LogProbs
    start: float
    end: float
    channel: int | None = None


class UtteranceReader:
    """Reads a recording as utterances, once. Frees the recording at the end, or when it is closed.

    Iterating yields utterances in order of their chunks, which for each track is the order of time, and
    `Progress` after each block of audio, also where nothing is said, and after each batch.

    Attributes:
        times: seconds spent in "decode" and "infer", see `speech.events.Summary`.
    """

    WORKING_BYTES = WORKING_BYTES
    """Memory that a batch may take. Every attempt at a recording must use the same."""

    def __init__(
        self,
        model: ModelFolder,
        recogniser: Recogniser,
        detector: VoiceDetector | None,
        audio: AudioReader,
        segmenters: Sequence[Segmenter],
        skip_chunks: int = 0,
    ) -> None:
        """
        Args:
            detector: None to take all that the segmenters find for speech.
            segmenters: one for each track of `audio`.
            skip_chunks: chunks at the beginning to cut and not to recognise.
        """
        self.times = StageTimes("decode", "infer")
        self._audio = audio
        self._meter = PeakMeter(audio.sample_rate)
        self._segmenters = segmenters
        self._look_ahead = LookAhead(audio.sample_rate, recogniser.working_bytes, self.WORKING_BYTES)
        self._recogniser = ChunkRecogniser(model, recogniser, detector, self.WORKING_BYTES)
        finder = SeamFinder(model.tokens, model.blank_id, model.frame_stride)
        self._tracks = [
            _Track(Joiner(finder, model.frame_stride), None if audio.mixes else channel)
            for channel in range(1, len(segmenters) + 1)
        ]
        self._skip_chunks = skip_chunks
        self._chunks_looked_at = 0
        self._chunks_done = 0
        self._starts: deque[int] = deque()
        """First samples of the chunks from `_chunks_done` on, as far as they are cut."""
        self._finished: dict[int, Utterance | None] = {}
        """Chunks that are finished and whose turn has not come. An utterance is kept with its first chunk."""
        self._part = 0.0
        self._speech_samples = 0

    def __iter__(self) -> Iterator[Utterance | Progress]:
        with self._audio:
            for chunks in self._cut():
                for lot in self._look_ahead.add(chunks, self._settled):
                    yield from self._recognise(lot)
                yield self.progress
            yield from self._recognise(self._look_ahead.flush())
            self._part = 1.0

    def _cut(self) -> Iterator[list[Chunk]]:
        """The chunks that each block of audio completes."""
        blocks = iter(self._audio)
        ended = False
        while not ended:
            with self.times.timed("decode"):
                block = next(blocks, None)
                ended = block is None
                if block is not None:
                    self._meter.push(block.mean(axis=0))
                chunks = [
                    replace(chunk, track=track)
                    for track, segmenter in enumerate(self._segmenters)
                    for chunk in (segmenter.flush() if block is None else segmenter.push(block[track]))
                ]
                self._starts.extend(chunk.start_sample for chunk in chunks)
            yield chunks

    def _recognise(self, lot: Sequence[Chunk]) -> Iterator[Utterance | Progress]:
        """Run the graph over the next lot of chunks."""
        with self.times.timed("decode"):
            voiced = self._recogniser.voiced(lot)
            self._count_speech(lot, voiced)
        first = self._chunks_looked_at
        self._chunks_looked_at += len(lot)
        skip = max(self._skip_chunks - first, 0)
        known: dict[int, LogProbs | None] = dict.fromkeys(range(min(skip, len(lot))))
        batches = self._recogniser.recognise(lot, voiced, skip)
        joined = 0
        while joined < len(lot):
            with self.times.timed("infer"):
                known |= next(batches)
            while joined in known:
                self._join(first + joined, lot[joined], known.pop(joined))
                joined += 1
            yield from self._ready()
            yield self.progress

    def _count_speech(self, lot: Sequence[Chunk], voiced: Sequence[Sequence[Span]]) -> None:
        """Add up speech; the overlap of two windows counts once."""
        for chunk, spans in zip(lot, voiced, strict=True):
            track = self._tracks[chunk.track]
            for begin, end in spans:
                low = max(chunk.start_sample + begin, track.counted)
                self._speech_samples += max(chunk.start_sample + end - low, 0)
            track.counted = chunk.end_sample

    def _join(self, number: int, chunk: Chunk, log_probs: LogProbs | None) -> None:
        """Join the next chunk to what its track holds; `log_probs` is None for a chunk without voice."""
        track = self._tracks[chunk.track]
        if number < self._skip_chunks:
            self._finished[number] = None
            track.skipped = chunk if chunk.goes_on else None
            return
        if track.skipped is not None and log_probs is not None:
            with self.times.timed("infer"):
                before = self._recogniser.recognise_one(track.skipped)
            if before is not None:
                track.joiner.prime(before, self._seconds(track.skipped.start_sample))
        track.skipped = None
        if log_probs is None:
            self._finish(track, track.joiner.flush())
            self._finished[number] = None
            return
        track.waiting.append(number)
        start, end = self._seconds(chunk.start_sample), self._seconds(chunk.end_sample)
        self._finish(track, track.joiner.push(log_probs, start, end, chunk.follows, chunk.goes_on))

    def _finish(self, track: "_Track", pieces: Sequence[Piece]) -> None:
        """Make an utterance of each piece. It belongs to the first of the windows it was joined from."""
        for piece in pieces:
            first, *others = (track.waiting.popleft() for _ in range(piece.windows))
            self._finished[first] = Utterance(piece.log_probs, piece.start, piece.end, track.channel)
            self._finished |= dict.fromkeys(others)

    def _ready(self) -> Iterator[Utterance]:
        """The utterances of the chunks that are finished, up to the first chunk that is not."""
        while self._chunks_done in self._finished:
            utterance = self._finished.pop(self._chunks_done)
            if utterance is not None:
                yield utterance
            self._chunks_done += 1
            self._starts.popleft()

    @property
    def progress(self) -> Progress:
        """How far the recording is. Measured by bytes read, because headers may lie about the length."""
        if self.seconds:
            known = min(self._starts, default=self._settled)
            part = self._audio.progress * known / (self.seconds * self._audio.sample_rate)
            self._part = max(self._part, part)
        return Progress(self._part, self._chunks_done, self.seconds)

    @property
    def _settled(self) -> int:
        """Samples before this one are in chunks that were cut, or in none."""
        return min(segmenter.settled for segmenter in self._segmenters)

    def _seconds(self, sample: int) -> float:
        return sample / self._audio.sample_rate

    @property
    def seconds(self) -> float:
        """Seconds of audio decoded so far."""
        return self._audio.decoded_seconds

    @property
    def source_rate(self) -> int:
        """Hertz of the file."""
        return self._audio.source_rate

    @property
    def channels(self) -> int:
        """Channels of the file."""
        return self._audio.channels

    @property
    def speech_seconds(self) -> float:
        """Seconds taken for speech so far, over all tracks."""
        return self._seconds(self._speech_samples)

    @property
    def fills(self) -> tuple[float, ...]:
        """For each batch so far, the part of it that was audio and not padding."""
        return tuple(self._recogniser.fills)

    @property
    def peaks(self) -> Peaks:
        """The waveform of what was decoded so far."""
        return self._meter.peaks()

    @property
    def warnings(self) -> tuple[AudioWarning, ...]:
        """What was imperfect so far; after the end, all that is."""
        return self._audio.warnings

    def close(self) -> None:
        """Free the recording. May be called twice."""
        self._audio.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Track:
    """What is kept of one track between its chunks.

    Attributes:
        waiting: chunks that the joiner holds.
        skipped: the last chunk, if it was skipped and the next one overlaps it.
        counted: samples before this one were counted as speech or not.
    """

    def __init__(self, joiner: Joiner, channel: int | None) -> None:
        self.joiner = joiner
        self.channel = channel
        self.waiting: deque[int] = deque()
        self.skipped: Chunk | None = None
        self.counted = 0
