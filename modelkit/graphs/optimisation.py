"""Rewrite graphs once, so that workers start and run faster: `modelkit optimise`.

ONNX Runtime rewrites a graph each time it loads it. Here this is done ahead of time, after fusing attention
(`modelkit.graphs.attention_fusion`). The result is a hidden file beside the graph. Its name contains the
graph's digest and ONNX Runtime's version (`ModelFolder.optimised`), so another graph or version does
not find it. Only rewriting that is the same on every processor is included, no processor's own layouts.
"""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from shrutlekh_contract.model_card import FLOAT16, FLOAT32, INT8

from modelkit.description import read_description, write_description
from modelkit.graphs.attention_fusion import fuse_attention
from modelkit.graphs.variants import WORTH
from modelkit.verification import noise, precisions
from speech import ModelFolder
from speech.recognisers import CtcRecogniser, LogProbs, as_ctc, load_recogniser

TOLERANCE = {FLOAT32: 1e-3, INT8: 0.5, FLOAT16: 0.1}
"""Largest difference of log-probabilities that rewriting may make. With eight bits, a difference in the
seventh decimal place can flip a rounding."""

_ROUNDS = 12


@dataclass(frozen=True, slots=True)
class Optimised:
    """What rewriting a graph achieved. CPU in seconds for 4 seconds of audio, the best of some rounds."""

    precision: str
    attentions: int
    difference: float
    cpu_before: float
    cpu_after: float


def optimise(folder: Path) -> Iterator[Optimised]:
    """Write the optimised form of each graph of a model folder, replacing older ones.

    Raises:
        ModelInvalid: the folder is not as its model.json describes.
        ValueError: a rewritten graph gives something else; nothing is kept of it.
    """
    model = ModelFolder.load(folder)
    model.verify_hashes()
    for precision in precisions(model):
        graph = model.graph(precision)
        for old in folder.glob(f".{graph.stem}-*.onnx"):
            old.unlink()
        before = as_ctc(load_recogniser(model, 1, precision))
        target = model.optimised(precision)
        attentions = _rewrite(graph, target)
        try:
            after = as_ctc(load_recogniser(model, 1, precision))
            difference = _difference(model, before, after)
            if difference > TOLERANCE[precision]:
                raise ValueError(
                    f"The optimised {graph.name} differs by {difference:.1e} in log-probabilities. "
                    "Use the graph as it is."
                )
        except BaseException:
            target.unlink()
            raise
        yield Optimised(precision, attentions, difference, *_cpu_seconds(model, [before, after]))


def _rewrite(graph: Path, target: Path) -> int:
    """Write the optimised form of `graph`. Returns the number of attentions that were fused."""
    with tempfile.TemporaryDirectory(dir=graph.parent, prefix=".optimise-") as temporary:
        folded, fused, made = (Path(temporary) / f"{name}.onnx" for name in ("folded", "fused", "made"))
        _write_optimised(graph, folded, ort.GraphOptimizationLevel.ORT_ENABLE_BASIC)
        rewritten = onnx.load(folded)
        attentions = fuse_attention(rewritten)
        onnx.save(rewritten, fused)
        _write_optimised(fused, made, ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED)
        made.chmod(0o644)
        made.replace(target)
    return attentions


def _write_optimised(source: Path, target: Path, level: ort.GraphOptimizationLevel) -> None:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = level
    options.optimized_model_filepath = str(target)
    ort.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])


def _difference(model: ModelFolder, before: CtcRecogniser, after: CtcRecogniser) -> float:
    """Return the largest difference of two graphs, on waveforms alone and padded together."""
    rate = model.sample_rate
    waveforms = noise(model, [model.min_samples, rate + 77, 4 * rate])
    return max(
        float(np.abs(a - b).max())
        for a, b in zip(_outputs(before, waveforms), _outputs(after, waveforms), strict=True)
    )


def _outputs(recogniser: CtcRecogniser, waveforms: list[np.ndarray]) -> list[LogProbs]:
    return [*recogniser.log_probs(waveforms), *recogniser.log_probs(waveforms[-1:])]


def _cpu_seconds(model: ModelFolder, recognisers: list[CtcRecogniser]) -> list[float]:
    """Time recognisers in turn, so that a machine that slows down favours none."""
    waveforms = noise(model, [4 * model.sample_rate])
    best = [np.inf] * len(recognisers)
    for _ in range(_ROUNDS):
        for number, recogniser in enumerate(recognisers):
            began = time.process_time()
            recogniser.log_probs(waveforms)
            best[number] = min(best[number], time.process_time() - began)
    return best


def choose_precision(folder: Path) -> str:
    """Time the graphs of a folder on this machine and record the choice as `precision` in its model.json.

    The rule: `int8` if it takes at most `WORTH` of the CPU time of `float32`, otherwise `float32`. The choice
    belongs to the folder, not to a worker: attempts of a job on different machines must form equal batches.

    Raises:
        ModelInvalid: the folder is not as its model.json describes, or lacks one of the graphs.
    """
    model = ModelFolder.load(folder)
    model.verify_hashes()
    recognisers = [as_ctc(load_recogniser(model, 1, name)) for name in (FLOAT32, INT8)]
    exact, rounded = _cpu_seconds(model, recognisers)
    chosen = INT8 if rounded <= WORTH * exact else FLOAT32
    if chosen != model.precision:
        write_description(folder, {**read_description(folder), "precision": chosen})
    return chosen
