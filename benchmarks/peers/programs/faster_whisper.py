"""faster-whisper with Whisper base in 8 bits: other weights, but what a user would take instead.

The best settings of those that were tried: the language is given, no timestamps, no earlier text as context,
long recordings in batches and cut by its own detector. One temperature, because the default of several took 5
times the CPU time on clips; no three tokens twice, because else texts run in circles and beam 1 has twice as
many errors.
"""

from typing import Any

from faster_whisper import BatchedInferencePipeline, WhisperModel

from benchmarks.peers.child import Program, Task

SETTINGS: dict[str, Any] = {
    "language": "hi",
    "temperature": 0.0,
    "no_repeat_ngram_size": 3,
    "without_timestamps": True,
    "condition_on_previous_text": False,
}
BATCH = 8


class FasterWhisper(Program):
    libraries = ("faster-whisper", "ctranslate2")

    def __init__(self, task: Task) -> None:
        model = WhisperModel(task.folder, device="cpu", compute_type="int8", cpu_threads=task.threads)
        self._settings = SETTINGS | {"beam_size": task.beam}
        if task.detector is None:
            self._transcribe = model.transcribe
        else:
            self._settings["batch_size"] = BATCH
            self._transcribe = BatchedInferencePipeline(model).transcribe

    def transcribe(self, paths: list[str]) -> list[str]:
        return [self._text(path) for path in paths]

    def _text(self, path: str) -> str:
        segments, _ = self._transcribe(path, **self._settings)
        return " ".join(segment.text.strip() for segment in segments)


def load(task: Task) -> Program:
    return FasterWhisper(task)
