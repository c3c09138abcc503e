"""``python -m benchmarks.batches``: measure the gain of grouping segments by length.

The segments of a joined recording go through the graph one by one, in batches in order of arrival, and in the
batches of `speech.segments.plan` with more and less look-ahead. Each variant runs several times, in turn.
CPU time is relative to that of one by one, so that the machine's speed does not matter.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.joined_recording import make
from benchmarks.recordings import decoded
from benchmarks.sounds import RATE, Samples
from speech import ChunkRecogniser, Engine
from speech.recognisers import as_ctc
from speech.segments import LOOK_AHEAD, WORKING_BYTES, plan

Runs = list[list[int]]


def stretches(engine: Engine, path: Path) -> list[Samples]:
    """Return the inputs of the graph for one recording, in order."""
    segmenter = engine.segmenter()
    chunks = segmenter.push(decoded(path, RATE)) + segmenter.flush()
    voiced = ChunkRecogniser(engine.folder, engine.recogniser, engine.detector).voiced(chunks)
    return [
        chunk.samples[begin:end] for chunk, spans in zip(chunks, voiced, strict=True) for begin, end in spans
    ]


def as_they_come(engine: Engine, lengths: Sequence[int], limit: int) -> Runs:
    """Batch neighbours, up to the limit."""
    runs: Runs = [[]]
    for index, length in enumerate(lengths):
        longest = max([length, *(lengths[other] for other in runs[-1])])
        if runs[-1] and engine.recogniser.working_bytes(len(runs[-1]) + 1, longest) > limit:
            runs.append([])
        runs[-1].append(index)
    return runs


def by_length(engine: Engine, lengths: Sequence[int], limit: int, look_ahead: int) -> Runs:
    """Lots of `look_ahead` runs, each grouped by `speech.segments.plan`."""
    runs: Runs = []
    first = size = 0
    for index, length in enumerate(lengths):
        size += engine.recogniser.working_bytes(1, length)
        if size >= look_ahead * limit or index == len(lengths) - 1:
            lot = lengths[first : index + 1]
            runs += [
                [first + i for i in group]
                for group in plan(lot, RATE, engine.recogniser.working_bytes, limit)
            ]
            first, size = index + 1, 0
    return runs


def cpu_seconds(engine: Engine, waveforms: Sequence[Samples], runs: Runs) -> float:
    began = time.process_time()
    for run in runs:
        as_ctc(engine.recogniser).log_probs([waveforms[index] for index in run])
    return time.process_time() - began


def fill(lengths: Sequence[int], runs: Runs) -> float:
    """Return the fraction of the graph's input that is not padding."""
    return sum(lengths) / sum(len(run) * max(lengths[index] for index in run) for run in runs)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batches", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/hi-ctc-base"))
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    engine = Engine.load(arguments.model)
    engine.warm()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        waveforms = stretches(engine, make(Path(folder), 60 * arguments.minutes).path)
    lengths = [len(waveform) for waveform in waveforms]
    ways: dict[str, Runs] = {
        "one by one": [[index] for index in range(len(lengths))],
        "neighbours together": as_they_come(engine, lengths, WORKING_BYTES),
    }
    for look_ahead in sorted({1, LOOK_AHEAD, 4, 8}):
        ways[f"by length, {look_ahead} runs ahead"] = by_length(engine, lengths, WORKING_BYTES, look_ahead)
    for factor in (0.5, 2.0, 4.0):
        limit = round(factor * WORKING_BYTES)
        ways[f"by length, {limit / 2**20:.0f} MiB a run"] = by_length(engine, lengths, limit, LOOK_AHEAD)
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in track(range(arguments.turns), console=Console(stderr=True)):
        for name, runs in ways.items():
            spent[name].append(cpu_seconds(engine, waveforms, runs))
    base = statistics.median(spent["one by one"])
    rows = Table("runs of the graph", title=f"{len(lengths)} stretches, {sum(lengths) / RATE:.0f} s")
    for column in ("runs", "filled", "CPU against one by one"):
        rows.add_column(column, justify="right")
    for name, runs in ways.items():
        ratio = statistics.median(spent[name]) / base
        rows.add_row(name, str(len(runs)), f"{fill(lengths, runs):.0%}", f"{ratio:.2f}")
    Console(width=100).print(rows)


if __name__ == "__main__":
    main()
