"""The whole way of one recording: audio, speech chunks, batches, log-probabilities, words."""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from speech.audio import AudioReader, open_audio
from speech.beam import BeamDecoder, BeamSettings
from speech.decode import Decoder, GreedyDecoder
from speech.errors import ModelInvalid
from speech.language_model import FILE_NAME, LanguageModel
from speech.model import ModelFolder
from speech.options import NO_OPTIONS, Options
from speech.recogniser import OnnxCtcRecogniser, Recogniser
from speech.segment import Chunk, EnergySegmenter, Segmenter
from speech.waveform import PeakMeter, Peaks
from transcript.words import Segment

log = logging.getLogger(__name__)

GREEDY, BEAM = DECODERS = ("greedy", "beam")


class Engine:
    """A loaded model that transcribes recordings, one after another; not for several threads at once.

    Its session does not survive a fork: load it in the process that uses it.

    Attributes:
        decoder: what turns log-probabilities into words where a call of `transcribe` names no other.
        decoder_name: "greedy" or "beam".
    """

    def __init__(self, folder: ModelFolder, recogniser: Recogniser, decoder: str | None = None) -> None:
        self.folder = folder
        self.recogniser = recogniser
        self._decoders: dict[str, Decoder] = {}
        self.decoder_name = decoder or str(folder.decoding.get("decoder", GREEDY))
        if decoder is None and self.decoder_name not in DECODERS:
            raise ModelInvalid(
                f"The model {folder.name} names the decoder {self.decoder_name!r}; there are "
                f"{', '.join(DECODERS)}."
            )
        try:
            self.decoder = self.decoder_named(self.decoder_name)
        except ImportError as error:  # the decoder library has no build for this Python
            if decoder is not None:
                raise
            log.warning("beam search is not available, words are decoded greedily: %s", error)
            self.decoder_name = GREEDY
            self.decoder = self.decoder_named(GREEDY)

    @classmethod
    def load(
        cls, folder: Path, threads: int = 1, precision: str = "float32", decoder: str | None = None
    ) -> "Engine":
        """Loads a model folder.

        Args:
            threads: those within an operator.
            decoder: "greedy" or "beam"; by default what model.json names under "decoding", else greedy.

        Raises:
            ModelNotFound, ModelInvalid.
            ImportError, ValueError: as `decoder_named`, when `decoder` is given.
        """
        model = ModelFolder.load(folder)
        return cls(model, OnnxCtcRecogniser(model, threads, precision), decoder)

    def decoder_named(self, name: str) -> Decoder:
        """The decoder "greedy" or "beam", made when it is first asked for.

        Raises:
            ModelInvalid: the model has no language model, or one that cannot be used.
            ImportError: the library that beam search needs is not installed.
            ValueError: there is no decoder of that name.
        """
        if name not in self._decoders:
            self._decoders[name] = self._make_decoder(name)
        return self._decoders[name]

    def _make_decoder(self, name: str) -> Decoder:
        model = self.folder
        if name == GREEDY:
            return GreedyDecoder(model.tokens, model.blank_id, model.frame_stride)
        if name != BEAM:
            raise ValueError(f"There is no decoder {name!r}; there are {', '.join(DECODERS)}.")
        path = model.path / "lm" / FILE_NAME
        if not path.is_file():
            raise ModelInvalid(f"The model {model.name} has no lm/{FILE_NAME}, which beam search needs.")
        settings = BeamSettings.of_model(model.decoding, len(model.tokens))
        language_model = LanguageModel(path, model.tokens)
        return BeamDecoder(model.tokens, model.blank_id, model.frame_stride, language_model, settings)

    def warm(self) -> None:
        """Runs the graph on noise of typical lengths, so that the first recording is as fast as the next."""
        self.recogniser.warm()

    def segmenter(self) -> Segmenter:
        """A new segmenter for one recording."""
        return EnergySegmenter(self.folder.sample_rate, self.folder.max_segment_seconds)

    def transcribe(
        self,
        path: str | os.PathLike[str],
        max_seconds: float | None = None,
        on_progress: Callable[["Transcription"], None] | None = None,
        skip_chunks: int = 0,
        options: Options = NO_OPTIONS,
    ) -> "Transcription":
        """Opens a recording; the work is done while the result is iterated.

        Args:
            on_progress: called after each block of audio, also where nothing is said, and after each run of
                the graph. What it raises ends the transcription.
            skip_chunks: stretches of speech that an earlier attempt has done (`Transcription.chunks_done`):
                they are cut again, which is cheap, and not recognised again. All others get the same words.
            options: what is chosen for this recording alone.

        Raises:
            AudioUnreadable, AudioUnsupported, AudioTooLong: here, or while iterating.
            ModelInvalid, ImportError, ValueError: as `decoder_named`.
        """
        decoder = self.decoder_for(options)
        audio = open_audio(path, self.folder.sample_rate, max_seconds, options.channels)
        return Transcription(self, audio, on_progress, skip_chunks, decoder)

    def decoder_for(self, options: Options) -> Decoder:
        """The decoder that `options` ask for. Raises as `decoder_named`."""
        return self.decoder if options.decoder is None else self.decoder_named(options.decoder)


class Transcription:
    """Iterates once over the segments of a recording, in order. Frees the recording at the end, or by
    `close`.

    Attributes:
        chunks_done: stretches of speech whose segments were handed out, skipped ones among them. Within
            `on_progress` it is always a number that another attempt can skip.
        timings: seconds of wall clock spent so far by stage: "decode" (file to chunks and peaks), "infer"
            (graph) and "text" (log-probabilities to words).
    """

    BATCH_SECONDS = 32.0
    """Audio recognised at once, padding included: small enough for progress to move."""

    PADDING = 0.15
    """Chunks share a run of the graph only while less than this part of it is padding."""

    def __init__(
        self,
        engine: Engine,
        audio: AudioReader,
        on_progress: Callable[["Transcription"], None] | None = None,
        skip_chunks: int = 0,
        decoder: Decoder | None = None,
    ) -> None:
        self._engine = engine
        self._decoder = engine.decoder if decoder is None else decoder
        self._audio = audio
        self._on_progress = on_progress
        self._skip_chunks = skip_chunks
        self._mixes = audio.mixes
        self.chunks_done = 0
        self.source_rate = audio.source_rate
        self.channels = audio.channels
        self._meter = PeakMeter(audio.sample_rate)
        self._recognised = 0.0
        self._speech_samples = 0
        self._done = False
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
    def progress(self) -> float:
        """Part of the recording whose words are known, 0..1, by its bytes and not by its header."""
        if self._done:
            return 1.0
        return self._audio.progress * self._recognised / self.seconds if self._recognised else 0.0

    @property
    def peaks(self) -> Peaks:
        """The waveform of what was decoded so far; after the end of the whole recording."""
        return self._meter.peaks()

    def __iter__(self) -> Iterator[Segment]:
        return self._segments

    def _run(self) -> Iterator[Segment]:
        with self._audio:
            for chunks in self._batches():
                yield from self._recognise(chunks)
            self._done = True

    def _batches(self) -> Iterator[list[Chunk]]:
        """Chunks in order, gathered up to BATCH_SECONDS."""
        segmenters = [self._engine.segmenter() for _ in range(self._audio.tracks)]
        blocks = iter(self._audio)
        waiting: list[Chunk] = []
        ended = False
        while not ended:
            with self._timed("decode"):
                block = next(blocks, None)
                ended = block is None
                if block is not None:
                    self._meter.push(block.mean(axis=0))
                for track, segmenter in enumerate(segmenters):
                    for chunk in segmenter.flush() if block is None else segmenter.push(block[track]):
                        self._speech_samples += len(chunk.samples)
                        waiting.append(replace(chunk, track=track))
            self._skip(waiting)
            self._report()
            while waiting and (ended or sum(len(chunk.samples) for chunk in waiting) >= self._batch_samples):
                batch = take_batch(waiting, self._batch_samples, self.PADDING)
                yield batch
                self.chunks_done += len(batch)
                del waiting[: len(batch)]
                self._report()

    def _skip(self, waiting: list[Chunk]) -> None:
        """Drops what an earlier attempt did. The rest is then gathered as that attempt would have done."""
        skipped = min(len(waiting), self._skip_chunks - self.chunks_done)
        if skipped > 0:
            self._recognised = max(self._recognised, *map(self._end_of, waiting[:skipped]))
            self.chunks_done += skipped
            del waiting[:skipped]

    def _report(self) -> None:
        if self._on_progress is not None:
            self._on_progress(self)

    def _end_of(self, chunk: Chunk) -> float:
        return (chunk.start_sample + len(chunk.samples)) / self._audio.sample_rate

    @property
    def _batch_samples(self) -> float:
        return self.BATCH_SECONDS * self._audio.sample_rate

    def _recognise(self, chunks: Sequence[Chunk]) -> Iterator[Segment]:
        rate = self._audio.sample_rate
        with self._timed("infer"):
            outputs = self._engine.recogniser.log_probs([chunk.samples for chunk in chunks])
        for chunk, log_probs in zip(chunks, outputs, strict=True):
            end = self._end_of(chunk)
            with self._timed("text"):
                words = self._decoder.words(log_probs, chunk.start_sample / rate, end)
            self._recognised = max(self._recognised, end)
            if words:
                yield Segment.from_words(words, None if self._mixes else chunk.track + 1)

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


def take_batch(chunks: Sequence[Chunk], max_samples: float, max_padding: float) -> list[Chunk]:
    """The first of `chunks`, at least one, that fit in one run of the graph without much padding."""
    longest = total = 0
    for count, chunk in enumerate(chunks):
        longest = max(longest, len(chunk.samples))
        total += len(chunk.samples)
        padded = longest * (count + 1)
        if count and (padded > max_samples or total < padded * (1.0 - max_padding)):
            return list(chunks[:count])
    return list(chunks)
