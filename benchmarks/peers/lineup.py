"""Which programs are measured, on which sets of recordings, and with whose text each is compared."""

from dataclasses import dataclass

from shrutlekh_contract.decoders import BEAM, GREEDY
from shrutlekh_contract.model_card import FLOAT32, INT8

from benchmarks.peers.recording_sets import ALL_SETS, CLIPS, LONG, SHORT_SETS

OURS = "ours"
ONNX_ASR = "onnx-asr"
SHERPA_ONNX = "sherpa-onnx"
WHISPER = "faster-whisper"


@dataclass(frozen=True, slots=True)
class Entry:
    """A program as it is measured.

    Attributes:
        name: of the row.
        module: of the program, in `benchmarks.peers.programs`.
        layout: which export of the model it loads: `OURS`, or the name of the peer.
        decoder: "greedy" or "beam".
        sets: names of the recording sets.
        beam: hypotheses of Whisper's decoder.
        baseline: name of our program that its CPU time is divided by.
    """

    name: str
    module: str
    layout: str
    precision: str
    decoder: str
    sets: tuple[str, ...]
    beam: int = 1
    baseline: str = ""

    @property
    def runs_here(self) -> bool:
        """Whether it runs in the project's environment."""
        return self.layout == OURS

    @property
    def same_weights(self) -> bool:
        return self.layout != WHISPER

    @property
    def reference(self) -> str:
        """Name of the program whose texts it should have; "" if none."""
        greedy = self.same_weights and self.decoder == GREEDY
        return f"graph alone, {self.precision}" if greedy and self.module != "bare_graph" else ""


def _of_precision(precision: str) -> list[Entry]:
    greedy, beam = f"engine, greedy, {precision}", f"engine, beam, {precision}"
    return [
        Entry(
            f"graph alone, {precision}", "bare_graph", OURS, precision, GREEDY, SHORT_SETS, baseline=greedy
        ),
        Entry(greedy, "engine", OURS, precision, GREEDY, ALL_SETS, baseline=greedy),
        Entry(beam, "engine", OURS, precision, BEAM, ALL_SETS, baseline=greedy),
        Entry(f"onnx-asr, {precision}", "onnx_asr", ONNX_ASR, precision, GREEDY, ALL_SETS, baseline=greedy),
        Entry(
            f"sherpa-onnx, {precision}",
            "sherpa_onnx",
            SHERPA_ONNX,
            precision,
            GREEDY,
            ALL_SETS,
            baseline=greedy,
        ),
    ]


def lineup() -> list[Entry]:
    """Return all programs, in the order of a round."""
    greedy, beam = f"engine, greedy, {INT8}", f"engine, beam, {INT8}"
    services = [
        Entry(f"service, {decoder}, {INT8}", "service", OURS, INT8, decoder, ALL_SETS, baseline=greedy)
        for decoder in (GREEDY, BEAM)
    ]
    whispers = [
        Entry(
            f"faster-whisper base, beam {width}, {INT8}",
            "faster_whisper",
            WHISPER,
            INT8,
            GREEDY if width == 1 else BEAM,
            (CLIPS, LONG),
            width,
            beam,
        )
        for width in (1, 5)
    ]
    return [*_of_precision(INT8), *services, *_of_precision(FLOAT32), *whispers]
