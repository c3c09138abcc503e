"""Whisper models in CTranslate2's layout, from waveforms to words."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from shrutlekh_contract.model_card import FLOAT16, FLOAT32, INT8

from speech.decoding import Heard, WordEmission
from speech.decoding.word_emission import moved
from speech.errors import ModelInvalid
from speech.gpu import Device, wants_gpu
from speech.model_folder import ModelFolder
from speech.onnx_sessions import tell_fallback
from speech.recognisers.protocol import Samples
from speech.recognisers.whisper import guards
from speech.recognisers.whisper.alignment import FRAME_SECONDS, aligned_words
from speech.recognisers.whisper.log_mel import FRAMES, HOP, PADDINGS, RATE, SILENCE, LogMel
from speech.recognisers.whisper.vocabulary import Vocabulary
from speech.segments import WORKING_BYTES

COMPUTE_TYPES: Final = {FLOAT32: "float32", INT8: "int8", FLOAT16: "float16"}

MOST_BEAMS: Final = 5

ROW_BYTES: Final = WORKING_BYTES
"""Memory that a waveform counts as: one a batch. On a core, more of them are no faster, see docs/records."""

REST_SECONDS: Final = 1.0
"""Shortest audio that is recognised once more, behind a text that did not fit."""

FRAME_SAMPLES: Final = round(FRAME_SECONDS * RATE)


class WhisperRecogniser:
    """A Whisper model that is told its language. It writes no times, and knows nothing of the text before.

    Its threads do not survive a fork: make the recogniser in the process that uses it.
    """

    def __init__(
        self, folder: ModelFolder, threads: int = 1, precision: str | None = None, device: Device = "cpu"
    ) -> None:
        """Load the weights.

        Args:
            precision: "float32", "int8" or "float16", however the weights are stored.
            device: where it runs. If there is no usable GPU, on the CPU, and the log tells why.

        Raises:
            ModelInvalid: weights or vocabulary are missing or broken, or CTranslate2 is not installed.
        """
        try:
            import ctranslate2
        except ImportError as error:
            raise ModelInvalid(
                f"The model {folder.name} needs CTranslate2, which is not installed: "
                "pip install 'shrutlekh[whisper]'."
            ) from error
        precision = precision or folder.precision
        if precision not in COMPUTE_TYPES:
            raise ModelInvalid(f"There is no precision {precision!r}; there are {', '.join(COMPUTE_TYPES)}.")
        self._vocabulary = Vocabulary.read(folder.path, folder.language)
        self._beams = _beams(folder)
        folder.weights(precision)
        self._on_gpu = wants_gpu(device) and _finds_gpu(ctranslate2)
        if precision == FLOAT16 and not self._on_gpu:
            precision = FLOAT32  # processors compute in no 16 bits
        try:
            self._model = ctranslate2.models.Whisper(
                str(folder.path),
                device="cuda" if self._on_gpu else "cpu",
                compute_type=COMPUTE_TYPES[precision],
                inter_threads=1,
                intra_threads=threads,
            )
        except (RuntimeError, ValueError) as error:
            raise ModelInvalid(
                f"The weights of the model {folder.name} could not be loaded: {error}"
            ) from error
        self._as_storage = ctranslate2.StorageView.from_array
        self._log_mel = LogMel(self._model.n_mels, _padding(folder))

    def emissions(self, waveforms: Sequence[Samples]) -> list[WordEmission]:
        """Recognise one batch. What is behind the 30 seconds of Whisper's window is not heard.

        Errors of CTranslate2 pass through, as they are mostly for lack of memory.
        """
        if self._on_gpu:
            heard = self._hear(waveforms) if waveforms else []
        else:  # rows together are no faster on a CPU, and round differently: a text must not depend on others
            heard = [found for waveform in waveforms for found in self._hear([waveform])]
        lengths = [-(-len(waveform) // FRAME_SAMPLES) for waveform in waveforms]
        return [WordEmission(words, max(frames, 1)) for words, frames in zip(heard, lengths, strict=True)]

    def _hear(self, waveforms: Sequence[Samples], no_repeat: int = 0) -> list[Heard]:
        """Recognise waveforms; `no_repeat`: tokens of the shortest sequence that must not occur twice."""
        encoded = self._model.encode(self._as_storage(np.stack([self._log_mel(one) for one in waveforms])))
        limits = [guards.most_tokens(len(one) / RATE) for one in waveforms]
        results = self._generate(encoded, len(waveforms), max(limits), no_repeat)
        texts = [result.sequences_ids[0][:limit] for result, limit in zip(results, limits, strict=True)]
        silent = [_is_silence(result) for result in results]
        texts = [[] if none else text for text, none in zip(texts, silent, strict=True)]
        found = self._align(encoded, texts, waveforms)
        for row, (waveform, text) in enumerate(zip(waveforms, texts, strict=True)):
            if not no_repeat and guards.is_repetitive(self._vocabulary.text(text)):
                (found[row],) = self._hear([waveform], guards.NO_REPEAT)
            elif len(text) == limits[row]:
                found[row] = self._with_rest(found[row], waveform)
            found[row] = found[row].only(guards.without_loops(found[row].texts))
        return found

    def _generate(self, encoded: Any, rows: int, most_tokens: int, no_repeat: int) -> list[Any]:
        prompt = [*self._vocabulary.prompt, self._vocabulary.no_timestamps]
        results: list[Any] = self._model.generate(
            encoded,
            [prompt] * rows,
            beam_size=self._beams,
            max_length=2 * most_tokens,  # CTranslate2 writes half as many, the other half is for a prompt
            no_repeat_ngram_size=no_repeat,
            return_scores=True,
            return_no_speech_prob=True,
        )
        return results

    def _align(self, encoded: Any, texts: list[list[int]], waveforms: Sequence[Samples]) -> list[Heard]:
        if not any(texts):
            return [aligned_words(self._vocabulary, (), (), ()) for _ in texts]
        results = self._model.align(
            encoded,
            self._vocabulary.prompt,
            texts,
            [min(-(-len(waveform) // HOP), FRAMES) for waveform in waveforms],
        )
        return [
            aligned_words(self._vocabulary, text, result.alignments, result.text_token_probs)
            for text, result in zip(texts, results, strict=True)
        ]

    def _with_rest(self, heard: Heard, waveform: Samples) -> Heard:
        """Recognise the end of a waveform whose text did not fit, from its last word on."""
        if len(heard.texts) < 2 or guards.without_loops(heard.texts).sum() < len(heard.texts):
            return heard
        begin = int(heard.lasts[-2])
        rest = waveform[begin * FRAME_SAMPLES :]
        if not begin or len(rest) < REST_SECONDS * RATE:
            return heard
        (behind,) = self._hear([rest])
        return heard.only(np.arange(len(heard.texts)) < len(heard.texts) - 1).followed_by(
            moved(behind, begin)
        )

    def working_bytes(self, rows: int, samples: int) -> int:  # noqa: ARG002 - each is padded to 30 seconds
        return rows * ROW_BYTES

    @property
    def gpu_batch_bytes(self) -> int | None:
        return None

    def warm(self) -> None:
        noise = np.random.default_rng(0).normal(0.0, 0.01, RATE).astype(np.float32)
        self.emissions([noise])


def _finds_gpu(ctranslate2: Any) -> bool:
    if ctranslate2.get_cuda_device_count() > 0:
        return True
    tell_fallback("CTranslate2 finds no NVIDIA GPU that it can use")
    return False


def _is_silence(result: Any) -> bool:
    count = len(result.sequences_ids[0])
    # The score is the mean over the tokens without the end of text; the threshold is one with it.
    return guards.is_silence(result.no_speech_prob, result.scores[0] * count / (count + 1))


def _padding(folder: ModelFolder) -> str:
    padding = folder.decoding.get("padding", SILENCE)
    if padding not in PADDINGS:
        raise ModelInvalid(f"'decoding.padding' in model.json must be one of {', '.join(PADDINGS)}.")
    return str(padding)


def _beams(folder: ModelFolder) -> int:
    beams = folder.decoding.get("beam", 1)
    if not isinstance(beams, int) or not 1 <= beams <= MOST_BEAMS:
        raise ModelInvalid(f"'decoding.beam' in model.json must be in 1..{MOST_BEAMS}, not {beams!r}.")
    return beams
