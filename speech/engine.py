"""A model that is ready to transcribe: its graph, its decoders and its voice detector."""

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from shrutlekh_contract.decoders import BEAM, DECODERS, GREEDY, decoders_of
from shrutlekh_contract.hotwords import DEFAULT_WEIGHT
from shrutlekh_contract.model_card import SILERO
from shrutlekh_contract.options import NO_OPTIONS, RecognitionOptions

from speech.audio import open_audio
from speech.decoding import BeamDecoder, Decoder
from speech.errors import HotwordsUnsupported, ModelInvalid
from speech.gpu import Device
from speech.live import LiveTranscription
from speech.model_folder import ModelFolder
from speech.recognisers import Recogniser, family_of, load_recogniser
from speech.segments import RATE, EnergySegmenter, Segmenter, SileroDetector, VoiceDetector, silero_model
from speech.transcription import Transcription
from speech.utterance_stream import Utterance
from speech.utterances import UtteranceReader
from speech.waveform import Meter

log = logging.getLogger(__name__)


class Engine:
    """A loaded model that transcribes recordings, one after another. Not thread-safe.

    Its session does not survive a fork: load it in the process that uses it.

    Attributes:
        decoder: turns what the model gives into words unless the options of a recording name another.
        decoder_name: "greedy" or "beam".
        detector: finds where nobody speaks. None to give the model all that is not silence.
    """

    def __init__(self, folder: ModelFolder, recogniser: Recogniser[Any], decoder: str | None = None) -> None:
        self.folder = folder
        self.recogniser = recogniser
        self.detector = _detector_of(folder)
        self._decoders: dict[str, Decoder[Any]] = {}
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
        cls,
        folder: Path,
        threads: int = 1,
        precision: str | None = None,
        decoder: str | None = None,
        device: Device = "cpu",
        gpu_memory: int = 0,
    ) -> "Engine":
        """Load a model folder.

        Args:
            folder: has model.json.
            threads: ONNX Runtime threads within an operator.
            precision: "float32" or "int8"; the default is the one in model.json.
            decoder: "greedy" or "beam"; the default is the one in model.json, else greedy.
            device: where the model runs: "cpu", "cuda", or "auto" for "cuda" on a machine with an NVIDIA
                GPU. If the GPU cannot be used, the model runs on the CPU and the log tells why.
            gpu_memory: most bytes that the model may take of a GPU. Batches are sized to it. 0: no limit, and
                batches as on a CPU.

        Raises:
            ModelNotFound, ModelInvalid: there is no model folder, or it is broken.
            ImportError, ValueError: as `decoder_named`, if `decoder` is given.
        """
        model = ModelFolder.load(folder)
        return cls(model, load_recogniser(model, threads, precision, device, gpu_memory), decoder)

    def decoder_named(self, name: str) -> Decoder[Any]:
        """Return the decoder "greedy" or "beam". It is made at the first call.

        Raises:
            ModelInvalid: the model has no language model, or an unusable one.
            ImportError: the library that beam search needs is not installed.
            ValueError: there is no decoder of that name.
        """
        if name not in self._decoders:
            self._decoders[name] = family_of(self.folder).decoder(self.folder, name)
        return self._decoders[name]

    def warm(self) -> None:
        """Run the graph on noise of typical lengths, so that the first recording is as fast as the next."""
        self.recogniser.warm()
        if self.detector is not None:
            self.detector.without_voice([np.zeros(RATE, np.float32)])

    def segmenter(self) -> Segmenter:
        """Make a segmenter for one track of a recording."""
        rate = self.folder.sample_rate
        stride = max(round(self.folder.frame_stride * rate), 1)
        family = family_of(self.folder)
        return EnergySegmenter(
            rate,
            self.folder.max_segment_seconds,
            align_samples=stride,
            prefer_seconds=family.prefer_seconds,
            merge_seconds=family.merge_seconds,
        )

    def transcribe(
        self,
        path: str | os.PathLike[str],
        max_seconds: float | None = None,
        skip_chunks: int = 0,
        options: RecognitionOptions = NO_OPTIONS,
        meters: Sequence[Meter] = (),
    ) -> Transcription:
        """Open a recording. Iterating over the result does the work and yields events.

        Args:
            max_seconds: longest recording to accept.
            skip_chunks: `Progress.chunks_done` of an earlier attempt. These chunks are cut again, which is
                cheap, and not recognised again; all others give the same words.
            options: choices for this recording alone.
            meters: get the whole recording too, at the sample rate of the model, mixed to one channel.

        Raises:
            AudioUnreadable, AudioUnsupported, AudioTooLong: here, or while iterating.
            ModelInvalid, ImportError, ValueError, HotwordsUnsupported: as `decoder_for`.
        """
        decoder = self.decoder_for(options)
        return Transcription(self._read(path, max_seconds, skip_chunks, options, meters), decoder)

    def transcribe_live(
        self, source_rate: int, options: RecognitionOptions = NO_OPTIONS
    ) -> LiveTranscription:
        """Start to transcribe audio that is still being recorded.

        Several may be in progress at once; they take turns with the one thread that uses this engine.

        Args:
            source_rate: hertz of the audio.
            options: choices for this transcription alone. Live audio has one channel.

        Raises:
            ModelInvalid, ImportError, ValueError, HotwordsUnsupported: as `decoder_for`.
        """
        return LiveTranscription(
            self.folder,
            self.recogniser,
            self.detector,
            self.segmenter(),
            self.decoder_for(options),
            source_rate,
        )

    def posteriors(
        self,
        path: str | os.PathLike[str],
        max_seconds: float | None = None,
        options: RecognitionOptions = NO_OPTIONS,
    ) -> Iterator[Utterance]:
        """Yield what `transcribe` would give its decoder.

        Raises:
            AudioUnreadable, AudioUnsupported, AudioTooLong: while iterating.
        """
        with self._read(path, max_seconds, 0, options) as utterances:
            for event in utterances:
                if isinstance(event, Utterance):
                    yield event

    def _read(
        self,
        path: str | os.PathLike[str],
        max_seconds: float | None,
        skip_chunks: int,
        options: RecognitionOptions,
        meters: Sequence[Meter] = (),
    ) -> UtteranceReader:
        audio = open_audio(path, self.folder.sample_rate, max_seconds, options.channels)
        segmenters = [self.segmenter() for _ in range(audio.tracks)]
        return UtteranceReader(
            self.folder, self.recogniser, self.detector, audio, segmenters, skip_chunks, meters
        )

    def decoder_for(self, options: RecognitionOptions) -> Decoder[Any]:
        """Return the decoder that `options` ask for. With hot-words it is beam search.

        Raises:
            HotwordsUnsupported: hot-words with another decoder, with a model without a language model, or
                without the library.
            ModelInvalid, ImportError, ValueError: as `decoder_named`.
        """
        if options.hotwords:
            return self._preferring(options)
        return self.decoder if options.decoder is None else self.decoder_named(options.decoder)

    def _preferring(self, options: RecognitionOptions) -> Decoder[Any]:
        if options.decoder not in (None, BEAM):
            raise HotwordsUnsupported(
                f"Hot-words need beam search, which decoder={options.decoder} does not do."
            )
        if BEAM not in decoders_of(self.folder.path):
            raise HotwordsUnsupported(
                f"Hot-words need beam search, and the model {self.folder.name} has no language model."
            )
        try:
            beam = cast("BeamDecoder", self.decoder_named(BEAM))
        except ImportError as error:
            raise HotwordsUnsupported(
                "Hot-words need beam search, which is not installed where this model runs."
            ) from error
        weight = DEFAULT_WEIGHT if options.hotword_weight is None else options.hotword_weight
        beam = beam.preferring(options.hotwords, weight)
        if beam.unheeded:
            log.warning("hot-words that the model's tokens cannot spell: %d", len(beam.unheeded))
        return beam


def _detector_of(folder: ModelFolder) -> VoiceDetector | None:
    if folder.detector != SILERO:
        return None
    path = silero_model()
    if path is None or folder.sample_rate != RATE:
        log.warning("music and noise are given to the model like speech: silero-vad is not available")
        return None
    try:
        return SileroDetector(path)
    except ValueError as error:
        log.warning("music and noise are given to the model like speech: %s", error)
        return None
