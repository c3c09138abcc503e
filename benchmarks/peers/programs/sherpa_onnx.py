"""sherpa-onnx with our weights as its Omnilingual CTC model, the one of its CTC models that takes waveforms.

Nothing is replaced. It scales each recording to a variance of one. soundfile reads the files, as in its
examples.
"""

from typing import Any

import sherpa_onnx
import soundfile

from benchmarks.peers.child import Program, Task

RATE = 16_000

WINDOW = 512
"""Samples that its detector takes at a time."""

MOST_SECONDS = 16.0
"""Longest segment, as in our model card."""


class SherpaOnnx(Program):
    libraries = ("sherpa-onnx",)

    def __init__(self, task: Task) -> None:
        graph = "model.int8.onnx" if task.precision == "int8" else "model.onnx"
        self._recogniser = sherpa_onnx.OfflineRecognizer.from_omnilingual_asr_ctc(
            model=f"{task.folder}/{graph}", tokens=f"{task.folder}/tokens.txt", num_threads=task.threads
        )
        self._cut = None
        if task.detector is not None:
            silero = sherpa_onnx.SileroVadModelConfig(model=task.detector, max_speech_duration=MOST_SECONDS)
            self._cut = sherpa_onnx.VadModelConfig(silero, sample_rate=RATE, num_threads=1)

    def transcribe(self, paths: list[str]) -> list[str]:
        return [self._text(path) for path in paths]

    def _text(self, path: str) -> str:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        mono = samples.mean(axis=1) if samples.shape[1] > 1 else samples[:, 0]
        return self._recognised(mono, rate) if self._cut is None else self._in_segments(mono)

    def _recognised(self, samples: Any, rate: int) -> str:
        stream = self._recogniser.create_stream()
        stream.accept_waveform(rate, samples)
        self._recogniser.decode_stream(stream)
        return str(stream.result.text)

    def _in_segments(self, samples: Any) -> str:
        detector = sherpa_onnx.VoiceActivityDetector(self._cut, buffer_size_in_seconds=60)
        texts: list[str] = []
        for start in range(0, len(samples), WINDOW):
            detector.accept_waveform(samples[start : start + WINDOW])
            texts += self._ended(detector)
        detector.flush()
        return " ".join(texts + self._ended(detector))

    def _ended(self, detector: Any) -> list[str]:
        """Recognise the segments that the detector has closed, and take them from it."""
        texts = []
        while not detector.empty():
            texts.append(self._recognised(detector.front.samples, RATE))
            detector.pop()
        return texts


def load(task: Task) -> Program:
    return SherpaOnnx(task)
