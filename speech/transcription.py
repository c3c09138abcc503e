"""The way of one recording: audio, stretches of speech, batches, log-probabilities, words."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Self

from speech.audio.opening import AudioReader
from speech.decoding.greedy import Decoder
from speech.model_folder import ModelFolder
from speech.recognisers.listening import Listener, LogProbs
from speech.recognisers.onnx_ctc import Recogniser
from speech.segments.batches import LOOK_AHEAD, LOOK_AHEAD_SECONDS, WORKING_BYTES
from speech.segments.energy import Chunk, Segmenter
from speech.segments.joining import Joiner, Piece, SeamFinder
from speech.segments.voice import Span, VoiceDetector
from speech.waveform.picture import PeakMeter, Peaks
from transcript.words import Segment


class Transcription:
    """Iterates once over the segments of a recording. Frees the recording at the end, or by `close`.

    Segments come in order of their stretches of speech, which for each track is the order of time.

    Attributes:
        chunks_done: stretches of speech whose segments were handed out, skipped ones among them. Within
            `on_progress` it is always a number that another attempt can skip.
        timings: seconds of wall clock spent so far by stage: "decode" (file to stretches of speech and
            peaks), "infer" (graph) and "text" (log-probabilities to words).
    """

    WORKING_BYTES = WORKING_BYTES
    """See `speech.segments.batches`. Every attempt at a recording must have the same."""

    def __init__(
        self,
        model: ModelFolder,
        recogniser: Recogniser,
        detector: VoiceDetector | None,
        decoder: Decoder,
        audio: AudioReader,
        segmenters: Sequence[Segmenter],
        on_progress: Callable[["Transcription"], None] | None = None,
        skip_chunks: int = 0,
    ) -> None:
        """`segmenters`: one for each track of `audio`. Without a `detector` all they find is speech."""
        self._recogniser = recogniser
        self._listener = Listener(model, recogniser, detector, self.WORKING_BYTES)
        self._decoder = decoder
        self._audio = audio
        self._segmenters = segmenters
        self._on_progress = on_progress
        self._skip_chunks = skip_chunks
        finder = SeamFinder(model.tokens, model.blank_id, model.frame_stride)
        self._tracks = [_Track(Joiner(finder, model.frame_stride)) for _ in segmenters]
        self.source_rate = audio.source_rate
        self.channels = audio.channels
        self.chunks_done = 0
        self._starts: deque[int] = deque()
        """First samples of the stretches from `chunks_done` on, as far as they are cut."""
        self._segments_of: dict[int, list[Segment]] = {}
        """By stretches that are finished and not handed out."""
        self._meter = PeakMeter(audio.sample_rate)
        self._progress = 0.0
        self._speech_samples = 0
        self.timings = {"decode": 0.0, "infer": 0.0, "text": 0.0}
        self._segments = self._run()

    @property
    def seconds(self) -> float:
        """Seconds of audio decoded so far; after the end the length of the recording."""
        return self._audio.decoded_seconds

    @property
    def speech_seconds(self) -> float:
        """Seconds of it that were taken for speech, over all tracks, with the pauses kept around them."""
        return self._speech_samples / self._audio.sample_rate

    @property
    def fills(self) -> Sequence[float]:
        """Of each run of the graph so far, the part that was audio and not padding."""
        return self._listener.fills

    @property
    def progress(self) -> float:
        """Part of the recording whose words are known, 0..1, by bytes and not by the header. Never falls."""
        if self.seconds:
            known = min(self._starts, default=self._settled)
            part = self._audio.progress * known / (self.seconds * self._audio.sample_rate)
            self._progress = max(self._progress, part)
        return self._progress

    @property
    def peaks(self) -> Peaks:
        """The waveform of what was decoded so far; after the end of the whole recording."""
        return self._meter.peaks()

    def __iter__(self) -> Iterator[Segment]:
        return self._segments

    def _run(self) -> Iterator[Segment]:
        with self._audio:
            for first, chunks in self._rounds():
                for _ in self._hear(first, chunks):
                    yield from self._finished()
                    self._report()
            self._progress = 1.0

    def _rounds(self) -> Iterator[tuple[int, list[Chunk]]]:
        """Stretches of speech in order, each lot with the number of those before it.

        A lot depends on nothing but the recording, so that every attempt groups the same.
        """
        reach = round(LOOK_AHEAD_SECONDS * self._audio.sample_rate)
        first, lot, size = 0, list[Chunk](), 0
        for chunks in self._cut():
            for chunk in chunks:
                if lot and (
                    size >= LOOK_AHEAD * self.WORKING_BYTES
                    or chunk.start_sample >= lot[0].start_sample + reach
                ):
                    yield first, lot
                    first, lot, size = first + len(lot), [], 0
                lot.append(chunk)
                size += self._recogniser.working_bytes(1, len(chunk.samples))
            if lot and self._settled >= lot[0].start_sample + reach:  # any further chunk would end the lot
                yield first, lot
                first, lot, size = first + len(lot), [], 0
            self._report()
        if lot:
            yield first, lot

    @property
    def _settled(self) -> int:
        """Samples before this one are in stretches that were cut, or in none."""
        return min(segmenter.settled for segmenter in self._segmenters)

    def _cut(self) -> Iterator[list[Chunk]]:
        """The stretches that each block of audio completes."""
        blocks = iter(self._audio)
        ended = False
        while not ended:
            with self._timed("decode"):
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

    def _hear(self, first: int, chunks: list[Chunk]) -> Iterator[None]:
        """Recognises the stretches numbered from `first`; yields after each run of the graph."""
        with self._timed("decode"):
            voiced = self._listener.voiced(chunks)
            self._count(chunks, voiced)
        skip = max(self._skip_chunks - first, 0)
        known: dict[int, LogProbs | None] = dict.fromkeys(range(min(skip, len(chunks))))
        following = 0
        runs = self._listener.hear(chunks, voiced, skip)
        while following < len(chunks):
            with self._timed("infer"):
                known |= next(runs)
            while following in known:
                self._take(first + following, chunks[following], known.pop(following))
                following += 1
            yield

    def _count(self, chunks: Sequence[Chunk], voiced: Sequence[Sequence[Span]]) -> None:
        """Adds up speech, the overlap of two windows once."""
        for chunk, spans in zip(chunks, voiced, strict=True):
            track = self._tracks[chunk.track]
            for begin, end in spans:
                low = max(chunk.start_sample + begin, track.counted)
                self._speech_samples += max(chunk.start_sample + end - low, 0)
            track.counted = chunk.end_sample

    def _take(self, number: int, chunk: Chunk, log_probs: LogProbs | None) -> None:
        """Makes words of the next stretch; `log_probs` is None for one without voice."""
        track = self._tracks[chunk.track]
        if number < self._skip_chunks:
            self._segments_of[number] = []
            track.skipped = chunk if chunk.goes_on else None
            return
        if track.skipped is not None and log_probs is not None:
            with self._timed("infer"):
                before = self._listener.hear_one(track.skipped)
            if before is not None:
                track.joiner.prime(before, self._seconds(track.skipped.start_sample))
        track.skipped = None
        if log_probs is None:
            self._write(track, track.joiner.flush(), chunk.track)
            self._segments_of[number] = []
            return
        track.waiting.append(number)
        start, end = self._seconds(chunk.start_sample), self._seconds(chunk.end_sample)
        self._write(
            track, track.joiner.push(log_probs, start, end, chunk.follows, chunk.goes_on), chunk.track
        )

    def _write(self, track: "_Track", pieces: list[Piece], number: int) -> None:
        """Words of finished pieces; each belongs to the first of its windows."""
        for piece in pieces:
            with self._timed("text"):
                words = self._decoder.words(piece.log_probs, piece.start, piece.end)
            windows = [track.waiting.popleft() for _ in range(piece.windows)]
            channel = None if self._audio.mixes else number + 1
            self._segments_of |= {window: [] for window in windows}
            if words:
                self._segments_of[windows[0]] = [Segment.from_words(words, channel)]

    def _finished(self) -> Iterator[Segment]:
        """Segments of the stretches that are finished up to the first that is not."""
        while self.chunks_done in self._segments_of:
            yield from self._segments_of.pop(self.chunks_done)
            self.chunks_done += 1
            self._starts.popleft()

    def _seconds(self, sample: int) -> float:
        return sample / self._audio.sample_rate

    def _report(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.timings[stage] += time.perf_counter() - began

    def close(self) -> None:
        """Frees the recording, also before the end. May be called twice."""
        self._audio.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Track:
    """What is kept of one track between its stretches of speech."""

    def __init__(self, joiner: Joiner) -> None:
        self.joiner = joiner
        self.waiting: deque[int] = deque()
        """Stretches that the joiner holds."""
        self.skipped: Chunk | None = None
        """The last stretch, if it was skipped and the next follows it."""
        self.counted = 0
        """Samples before this one are counted as speech or not."""
