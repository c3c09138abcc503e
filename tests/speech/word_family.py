"""A family that gives words, as Whisper does, for the toy model's sounds."""

from collections.abc import Sequence
from pathlib import Path

from speech import ModelFolder
from speech.decoding import GreedyDecoder, WordDecoder, WordEmission
from speech.gpu import Device
from speech.recognisers.onnx_ctc import OnnxCtcRecogniser
from speech.recognisers.protocol import Samples
from speech.recognisers.word_layout import WordLayout
from tests.speech.sounds import write_model

NAME = "toy words"


class WordRecogniser:
    """Hears the words of the toy model.

    Attributes:
        runs: samples of each waveform so far.
    """

    def __init__(self, model: ModelFolder) -> None:
        self._graph = OnnxCtcRecogniser(model)
        self._decoder = GreedyDecoder.of_model(model)
        self.runs: list[int] = []

    def emissions(self, waveforms: Sequence[Samples]) -> list[WordEmission]:
        self.runs += map(len, waveforms)
        return [WordEmission(self._decoder.hear(one), len(one)) for one in self._graph.log_probs(waveforms)]

    def working_bytes(self, rows: int, samples: int) -> int:
        return self._graph.working_bytes(rows, samples)

    @property
    def gpu_batch_bytes(self) -> int | None:
        return self._graph.gpu_batch_bytes

    def warm(self) -> None:
        """Nothing to do."""


class WordFamily:
    prefer_seconds = 16.0
    merge_seconds = 0.9

    def load(
        self,
        model: ModelFolder,
        threads: int,
        precision: str | None,
        device: Device,
        gpu_memory: int = 0,
    ) -> WordRecogniser:
        return WordRecogniser(ModelFolder.load(model.path.parent / "ctc"))

    def layout(self, model: ModelFolder) -> WordLayout:
        return WordLayout(model.frame_stride, model.sample_rate)

    def decoder(self, model: ModelFolder, name: str) -> WordDecoder:
        return WordDecoder.of_model(model)


FAMILY = WordFamily()


def write_models(folder: Path) -> tuple[Path, Path]:
    """Write the toy model twice: as a CTC model, and as one that gives words."""
    return write_model(folder / "ctc"), write_model(folder / "words", family=NAME)
