"""Compare a converted CTC graph with the module that it was converted from."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from modelkit.errors import ConversionWrong
from speech.recognisers import LogProbs, Samples

TOLERANCE: Final = 1e-3
"""Largest difference of log-probabilities that a conversion may make."""

SECONDS: Final = (0.1, 0.43, 1.7, 4.0, 30.0)
"""Durations of the probes. Each is run alone, and then padded to the next longer one beside it."""

Waveforms = npt.NDArray[np.float32]
Lengths = npt.NDArray[np.int64]
Forward = Callable[[Waveforms, Lengths], tuple[npt.NDArray[np.float32], Lengths]]
"""Waveforms (batch, samples) and lengths (batch,) to log-probabilities (batch, frames, tokens) and
numbers of frames (batch,)."""


def check_parity(
    reference: Forward,
    folder: Path,
    tolerance: float = TOLERANCE,
    *,
    sample_rate: int = 16_000,
    min_samples: int = 0,
    seconds: tuple[float, ...] = SECONDS,
    batched: bool = True,
) -> dict[str, Any]:
    """Run the original and `model.onnx` of a folder on the same waveforms and compare what they give.

    Args:
        reference: the original network, in PyTorch or whatever it is written in.
        folder: needs no model.json yet.
        min_samples: probes are at least as long.
        batched: the graph promises the same alone and padded in a batch. If false, nothing is padded.

    Returns:
        For `conversion` in model.json: `max_difference` of log-probabilities between original and graph,
        alone and padded; `padding_difference` between alone and padded in the graph (if `batched`); `frames`
        compared; `greedy_equal`, whether the best token of every frame is the same; `seconds` of the probes.

    Raises:
        ConversionWrong: the differences exceed the tolerance, or the numbers of frames differ.
    """
    graph = _load(folder / "model.onnx")
    probes = [
        probe(max(round(duration * sample_rate), min_samples), seed) for seed, duration in enumerate(seconds)
    ]
    worst, frames, greedy_equal, alone = 0.0, 0, True, []
    for waveform in probes:
        expected, found = _run(reference, [waveform])[0], _run(graph, [waveform])[0]
        worst = max(worst, _difference(expected, found, "alone", len(waveform) / sample_rate))
        greedy_equal &= bool(np.array_equal(expected.argmax(axis=1), found.argmax(axis=1)))
        frames += len(found)
        alone.append(found)
    figures: dict[str, Any] = {"seconds": list(seconds), "frames": frames, "greedy_equal": greedy_equal}
    padding = 0.0
    if batched:
        for first, pair in _pairs(probes):
            for row, (expected, found) in enumerate(
                zip(_run(reference, pair), _run(graph, pair), strict=True)
            ):
                duration = len(pair[row]) / sample_rate
                worst = max(worst, _difference(expected, found, "padded", duration))
                padding = max(padding, _difference(alone[first + row], found, "alone and padded", duration))
        figures["padding_difference"] = padding
    figures["max_difference"] = worst
    if max(worst, padding) > tolerance:
        raise ConversionWrong(
            f"The converted graph's log-probabilities differ from the original's by {worst:.1e}, and by "
            f"{padding:.1e} between a waveform alone and padded in a batch. "
            f"At most {tolerance:.0e} is allowed."
        )
    return figures


def probe(samples: int, seed: int) -> Samples:
    """Return noise whose loudness and pitch come and go as in speech: a fixed waveform for each seed."""
    random = np.random.default_rng(seed)
    time = np.arange(samples) / 16_000
    pitch = 120.0 + 60.0 * np.sin(2 * np.pi * 0.7 * time)
    voice = sum(np.sin(n * 2 * np.pi * np.cumsum(pitch) / 16_000) / n for n in range(1, 12))
    loudness = 0.02 + 0.1 * np.abs(np.sin(2 * np.pi * 1.3 * time + seed))
    waveform: Samples = (loudness * (voice / 3 + random.normal(0.0, 0.3, samples))).astype(np.float32)
    return waveform


def _load(path: Path) -> Forward:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(waveforms: Waveforms, lengths: Lengths) -> tuple[npt.NDArray[np.float32], Lengths]:
        log_probs, counts = session.run(
            ["log_probs", "frame_lengths"], {"waveform": waveforms, "lengths": lengths}
        )
        return log_probs, counts

    return run


def _pairs(probes: list[Samples]) -> Iterator[tuple[int, list[Samples]]]:
    """Each probe beside the next longer one, with the index of the first."""
    yield from ((first, probes[first : first + 2]) for first in range(len(probes) - 1))


def _run(forward: Forward, waveforms: list[Samples]) -> list[LogProbs]:
    lengths = np.array([len(waveform) for waveform in waveforms], np.int64)
    batch = np.zeros((len(waveforms), lengths.max()), np.float32)
    for row, waveform in zip(batch, waveforms, strict=True):
        row[: len(waveform)] = waveform
    log_probs, counts = forward(batch, lengths)
    return [row[:count] for row, count in zip(log_probs, counts.tolist(), strict=True)]


def _difference(expected: LogProbs, found: LogProbs, how: str, duration: float) -> float:
    if expected.shape != found.shape:
        raise ConversionWrong(
            f"{duration:.2f} s {how}: {found.shape} frames and tokens instead of {expected.shape}."
        )
    difference = np.abs(expected - found).max(initial=0.0)
    if not np.isfinite(difference):
        raise ConversionWrong(f"{duration:.2f} s {how}: the log-probabilities are not numbers.")
    return float(difference)
