"""Session settings and optimised graphs: load time, CPU and memory, each in a process of its own.

``python -m benchmarks.graphs`` prints a row for each setting. Run ``modelkit optimise`` on the folder first
to measure the optimised graph as well.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import psutil
from rich.console import Console
from rich.table import Table

from speech import ModelFolder

SHIPPED = "as shipped"
SETTINGS = (
    SHIPPED,
    "optimised",
    "no arena",
    "arena grows as requested",
    "arena shrinks after each run",
    "memory patterns",
    "denormals are zero",
    "dynamic_block_base 4",
    "no prepacking",
    "IO binding",
    "affinity, 2 threads",
    "2 threads",
)
ENTRIES = {
    "denormals are zero": ("session.set_denormal_as_zero", "1"),
    "dynamic_block_base 4": ("session.dynamic_block_base", "4"),
    "no prepacking": ("session.disable_prepacking", "1"),
    "affinity, 2 threads": ("session.intra_op_thread_affinities", "2"),
    "arena grows as requested": ("session.use_env_allocators", "1"),
}
MIB = 2**20


def waveforms(clips: int, rate: int) -> list[npt.NDArray[np.float32]]:
    """Make noise of 2 to 8 s, the same lengths in every run; the last one lasts 16 s."""
    rng = np.random.default_rng(0)
    seconds = [*rng.uniform(2.0, 8.0, clips), 16.0]
    return [rng.normal(0.0, 0.05, (1, int(length * rate))).astype(np.float32) for length in seconds]


def session(graph: Path, setting: str) -> ort.InferenceSession:
    """Load a graph with one of `SETTINGS`."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2 if "2 threads" in setting else 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if setting in ENTRIES:
        options.add_session_config_entry(*ENTRIES[setting])
    options.enable_cpu_mem_arena = setting != "no arena"
    options.enable_mem_pattern = setting == "memory patterns"
    if setting == "arena grows as requested":
        arena = ort.OrtArenaCfg(0, 1, -1, -1)  # limit: none; strategy: kSameAsRequested; sizes: default
        device = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
        ort.create_and_register_allocator(device, arena)
    return ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


def measure(folder: Path, setting: str, clips: int, passes: int) -> dict[str, float]:
    """Measure one setting in this process. Seconds of CPU, MiB resident above the start."""
    model = ModelFolder.load(folder)
    graph = model.graph()
    if setting == "optimised":
        graph = model.optimised()
    process = psutil.Process()
    before = process.memory_info().rss
    began = time.process_time()
    loaded = session(graph, setting)
    load = time.process_time() - began
    after_load = process.memory_info().rss
    run_options = ort.RunOptions()
    if setting == "arena shrinks after each run":
        run_options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    bound = loaded.io_binding() if setting == "IO binding" else None
    audio = waveforms(clips, model.sample_rate)
    totals = []
    for _ in range(passes):
        began = time.process_time()
        for waveform in audio:
            feed = {"waveform": waveform, "lengths": np.array([waveform.shape[1]])}
            if bound is None:
                loaded.run(["log_probs", "frame_lengths"], feed, run_options)
                continue
            for name, value in feed.items():
                bound.bind_cpu_input(name, value)
            for name in ("log_probs", "frame_lengths"):
                bound.bind_output(name)
            loaded.run_with_iobinding(bound)
            bound.copy_outputs_to_cpu()
        totals.append(time.process_time() - began)
    seconds = sum(waveform.shape[1] for waveform in audio) / model.sample_rate
    return {
        "load_seconds": load,
        "cpu_per_audio_second": min(totals) / seconds,
        "after_load_mib": (after_load - before) / MIB,
        "at_the_end_mib": (process.memory_info().rss - before) / MIB,
    }


def main() -> None:
    """Measure each setting in turn, in several rounds, and print medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.graphs", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/hi-ctc-base"))
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--setting", choices=SETTINGS, help="measure only this, in this process; print JSON")
    arguments = parser.parse_args()
    if arguments.setting:
        print(json.dumps(measure(arguments.model, arguments.setting, arguments.clips, arguments.passes)))
        return
    found: dict[str, list[dict[str, float]]] = {}
    for _ in range(arguments.rounds):
        for setting in SETTINGS:
            command = [sys.executable, "-m", "benchmarks.graphs", "--model", str(arguments.model)]
            command += ["--clips", str(arguments.clips), "--passes", str(arguments.passes)]
            command += ["--setting", setting]
            done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own command
            if done.returncode == 0:
                found.setdefault(setting, []).append(json.loads(done.stdout))
    table = Table("setting", "load, CPU s", "CPU s per audio s", "MiB after load", "MiB at the end")
    for setting, rows in found.items():
        load, cpu, loaded, end = (statistics.median(row[key] for row in rows) for key in rows[0])
        table.add_row(setting, f"{load:.2f}", f"{cpu:.5f}", f"{loaded:.0f}", f"{end:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
