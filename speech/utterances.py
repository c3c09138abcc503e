"""From audio to utterances: the way of one recording up to what a decoder is given."""

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from shrutlekh_contract.audio_warnings import AudioWarning

from speech.audio import AudioReader
from speech.audio.blocks import Samples
from speech.events import Progress
from speech.model_folder import ModelFolder
from speech.recognisers import Recogniser
from speech.segments import Segmenter, VoiceDetector
from speech.stage_times import StageTimes
from speech.utterance_stream import Utterance, UtteranceStream
from speech.waveform import Meter, PeakMeter, Peaks


class UtteranceReader:
    """Reads a recording as utterances, once. Frees the recording at the end, or when it is closed.

    Iterating yields utterances in order of their chunks, which for each track is the order of time, and
    `Progress` after each block of audio, also where nothing is said, and after each batch.
    """

    def __init__(
        self,
        model: ModelFolder,
        recogniser: Recogniser[Any],
        detector: VoiceDetector | None,
        audio: AudioReader,
        segmenters: Sequence[Segmenter],
        skip_chunks: int = 0,
        meters: Sequence[Meter] = (),
    ) -> None:
        """
        Args:
            detector: None to take all that the segmenters find for speech.
            segmenters: one for each track of `audio`.
            skip_chunks: chunks at the beginning to cut and not to recognise.
            meters: get the mean of the tracks, block by block.
        """
        self._audio = audio
        self._peaks = PeakMeter(audio.sample_rate)
        self._meters = (self._peaks, *meters)
        self._stream = UtteranceStream(
            model, recogniser, detector, segmenters, mixes=audio.mixes, skip_chunks=skip_chunks
        )
        self._part = 0.0

    def __iter__(self) -> Iterator[Utterance | Progress]:
        with self._audio:
            blocks = iter(self._audio)
            while (block := self._next(blocks)) is not None:
                yield from self._with_progress(self._stream.push(block))
                yield self.progress
            yield from self._with_progress(self._stream.flush())
            self._part = 1.0

    def _next(self, blocks: Iterator[Samples]) -> Samples | None:
        with self.times.timed("decode"):
            block = next(blocks, None)
            if block is not None:
                mean = block.mean(axis=0)
                for meter in self._meters:
                    meter.push(mean)
            return block

    def _with_progress(self, utterances: Iterator[Utterance | None]) -> Iterator[Utterance | Progress]:
        for utterance in utterances:
            yield self.progress if utterance is None else utterance

    @property
    def times(self) -> StageTimes:
        """Seconds spent in "decode" and "infer", see `speech.events.Summary`."""
        return self._stream.times

    @property
    def progress(self) -> Progress:
        """How far the recording is. Measured by bytes read, because headers may lie about the length."""
        if self.seconds:
            known = self._stream.known_samples
            part = self._audio.progress * known / (self.seconds * self._audio.sample_rate)
            self._part = max(self._part, part)
        return Progress(self._part, self._stream.chunks_done, self.seconds)

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
        return self._stream.speech_seconds

    @property
    def fills(self) -> tuple[float, ...]:
        """For each batch so far, the part of it that was audio and not padding."""
        return self._stream.fills

    @property
    def peaks(self) -> Peaks:
        """The waveform of what was decoded so far."""
        return self._peaks.peaks()

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
