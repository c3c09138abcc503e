"""Only ONNX Runtime on whole recordings and the likeliest token of each frame: the texts to compare with."""

from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.peers.child import Program, Task
from benchmarks.recordings import decoded
from speech import ModelFolder
from speech.decoding import GreedyDecoder


class BareGraph(Program):
    libraries = ("onnxruntime",)

    def __init__(self, task: Task) -> None:
        self._model = ModelFolder.load(Path(task.folder))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = task.threads
        path = self._model.graph(task.precision)
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._decoder = GreedyDecoder.of_model(self._model)

    def transcribe(self, paths: list[str]) -> list[str]:
        return [self._text(Path(path)) for path in paths]

    def _text(self, path: Path) -> str:
        samples = decoded(path, self._model.sample_rate)
        log_probs, frames = self._session.run(
            ["log_probs", "frame_lengths"],
            {"waveform": samples[None], "lengths": np.array([len(samples)], np.int64)},
        )
        return " ".join(word.text for word in self._decoder.words(log_probs[0, : frames[0]]))


def load(task: Task) -> Program:
    return BareGraph(task)
