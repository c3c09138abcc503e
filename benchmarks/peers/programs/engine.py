"""The engine as a library."""

from pathlib import Path

from benchmarks.peers.child import Program, Task
from speech import Engine


class Library(Program):
    libraries = ("onnxruntime",)

    def __init__(self, task: Task) -> None:
        self._engine = Engine.load(Path(task.folder), task.threads, task.precision, task.decoder)
        self._engine.warm()

    def transcribe(self, paths: list[str]) -> list[str]:
        return [self._text(path) for path in paths]

    def _text(self, path: str) -> str:
        with self._engine.transcribe(path) as transcription:
            return " ".join(segment.text for segment in transcription.segments())


def load(task: Task) -> Program:
    return Library(task)
