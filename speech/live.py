"""Transcribe audio while it is recorded: final segments, and previews of what is not final yet.

The segments of a live transcription have the words and times of the same audio as a recording, because they
come from the same code (`speech.utterance_stream`), which does not depend on how the audio is split. Only the
batches differ. A quantised graph runs no batches; in others, padding changes the last digits of confidences.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from speech.audio import Resampler
from speech.audio.blocks import Samples
from speech.chunk_recogniser import ChunkRecogniser
from speech.decoding import Decoder
from speech.model_folder import ModelFolder
from speech.preview import Preview, Previewer
from speech.recognisers import Recogniser
from speech.segments import Segmenter, VoiceDetector
from speech.transcription import segment_of
from speech.utterance_stream import Utterance, UtteranceStream
from transcript.words import Segment


class LiveTranscription:
    """Takes one channel of audio piece by piece.

    `push` and `finish` yield final segments; they come once a pause is long enough and the audio behind it
    known, which takes seconds. `preview` decodes what is not final yet. It costs a run of the graph, so the
    caller decides how often.

    Memory is bounded by a few windows of the model, however long the audio.
    """

    def __init__(
        self,
        model: ModelFolder,
        recogniser: Recogniser[Any],
        detector: VoiceDetector | None,
        segmenter: Segmenter,
        decoder: Decoder[Any],
        source_rate: int,
    ) -> None:
        """
        Args:
            detector: None to take all that the segmenter finds for speech.
            segmenter: a fresh one.
            source_rate: hertz of the audio that is pushed.
        """
        self._decoder = decoder
        self._stream = UtteranceStream(model, recogniser, detector, [segmenter], gathers=False)
        self._resampler = Resampler(source_rate, model.sample_rate, 1)
        self._rate = model.sample_rate
        self._samples = 0
        self._final_until = 0.0
        chunks = ChunkRecogniser(model, recogniser, detector)
        self._previewer = Previewer(chunks, decoder, self._rate)

    def push(self, samples: Samples) -> Iterator[Segment]:
        """Process the next samples, shape (n,), within ±1, and yield the segments that become final."""
        yield from self._push(self._resampler.push(samples[:, None]))

    def finish(self) -> Iterator[Segment]:
        """End the audio and yield the remaining segments. Nothing may be pushed afterwards."""
        yield from self._push(self._resampler.flush())
        yield from self._segments(self._stream.flush())

    def preview(self) -> Preview | None:
        """Decode the audio that is not final yet. None if nothing was pushed since the last preview."""
        return self._previewer.update()

    @property
    def current_preview(self) -> Preview:
        """What is left of the last preview, without what has become final. Costs nothing."""
        return self._previewer.current

    @property
    def final_seconds(self) -> float:
        """The segments up to this time, in seconds from the beginning, are final."""
        return self._final_until

    @property
    def seconds(self) -> float:
        """Seconds of audio so far."""
        return self._samples / self._rate

    @property
    def speech_seconds(self) -> float:
        """Seconds taken for speech so far, without what is not final."""
        return self._stream.speech_seconds

    def _push(self, block: Samples) -> Iterator[Segment]:
        if not block.size:
            return
        self._samples += block.shape[1]
        self._previewer.append(block[0])
        yield from self._segments(self._stream.push(block))
        self._final_until = max(self._final_until, self._stream.known_samples / self._rate)
        self._previewer.settle(self._final_until)

    def _segments(self, utterances: Iterator[Utterance | None]) -> Iterator[Segment]:
        for utterance in utterances:
            if utterance is None:
                continue
            self._final_until = max(self._final_until, utterance.end)
            segment = segment_of(utterance, self._decoder)
            if segment is not None:
                yield segment


def samples_of(pcm: bytes) -> Samples:
    """Convert signed 16-bit little-endian PCM to samples within ±1, shape (n,), as libsndfile does."""
    samples: Samples = np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)
    return samples
