"""onnx-asr with our weights as its NeMo CTC model.

Replaced: its feature extraction, because the graph computes its features itself. Its own: reading WAV files,
resampling, detection of speech, greedy decoding and text. It reads no MP3, so soundfile does, as its
documentation says.
"""

import os

import onnx_asr
import onnxruntime
import soundfile
from onnx_asr.preprocessors.preprocessor import IdentityPreprocessor

from benchmarks.peers.child import Program, Task

CUTS = {"batch_size": 1, "min_silence_duration_ms": 1000, "speech_pad_ms": 200, "max_speech_duration_s": 16}
"""Options of its detector: with the fewest errors and the least CPU time of four that were tried."""


class OnnxAsr(Program):
    libraries = ("onnx-asr", "onnxruntime")

    def __init__(self, task: Task) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = task.threads
        quantisation = "int8" if task.precision == "int8" else None
        self._model = onnx_asr.load_model(
            "nemo-conformer-ctc", task.folder, quantization=quantisation, sess_options=options
        )
        self._model.asr._preprocessor = IdentityPreprocessor()
        self._cut = None
        if task.detector is not None:
            detector = onnx_asr.load_vad("silero", os.path.dirname(task.detector), sess_options=options)  # noqa: PTH120
            self._cut = self._model.with_vad(detector, **CUTS)

    def transcribe(self, paths: list[str]) -> list[str]:
        return [self._text(path) for path in paths]

    def _text(self, path: str) -> str:
        if self._cut is not None:
            return " ".join(segment.text for segment in self._cut.recognize(path))
        if path.endswith(".wav"):
            return str(self._model.recognize(path))
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        return str(self._model.recognize(samples, sample_rate=rate, channel="mean"))


def load(task: Task) -> Program:
    return OnnxAsr(task)
