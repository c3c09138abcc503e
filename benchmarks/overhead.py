"""``make bench``: CPU of the whole service against a bare ONNX Runtime loop on the same audio.

The bare loop only runs the model (the graph that the service runs, and beam search if the model has a
language model) on the same decoded segments, one after another on one thread. The service's figure is the CPU
time of all its processes (API, worker, sweeper, Redis) from the first upload to the last result, including
polls but without the uploading client.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from rich.console import Console
from rich.table import Table
from shrutlekh import ShrutlekhClient
from shrutlekh.bulk import Options, Outcome, Submission, plan
from shrutlekh_contract.decoders import BEAM

from benchmarks.processes import cpu_seconds_by_process
from benchmarks.recordings import ROOT, Workload, decoded, long, short
from ops.demo import embedded_service
from shared.settings import Settings
from speech import Engine, ModelFolder


@dataclass(frozen=True, slots=True)
class Result:
    """Figures of one workload; CPU in seconds, in all and for each kind of process."""

    workload: str
    jobs: int
    audio_seconds: float
    bare_cpu_seconds: float
    processes: dict[str, float]

    @property
    def system_cpu_seconds(self) -> float:
        """CPU time of all processes of the service."""
        return sum(self.processes.values())

    @property
    def ratio(self) -> float:
        """CPU time of the system relative to the bare loop."""
        return self.system_cpu_seconds / self.bare_cpu_seconds

    @property
    def extra_ms_per_job(self) -> float:
        """CPU time per job beyond inference, in milliseconds."""
        return 1000 * (self.system_cpu_seconds - self.bare_cpu_seconds) / self.jobs


class BareLoop:
    """Only ONNX Runtime and the model's decoder, on decoded segments in memory."""

    def __init__(self, folder: Path) -> None:
        self.model = ModelFolder.load(folder)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            self.model.graph(), options, providers=["CPUExecutionProvider"]
        )
        self._engine = Engine.load(folder)
        self._search = self._engine.decoder if self._engine.decoder_name == BEAM else None

    def segments(self, paths: list[Path]) -> list[npt.NDArray[np.float32]]:
        """Cut recordings like the service's segmenter, by energy alone."""
        found = []
        for path in paths:
            segmenter = self._engine.segmenter()
            chunks = segmenter.push(decoded(path, self.model.sample_rate)) + segmenter.flush()
            found += [chunk.samples for chunk in chunks]
        return found

    def cpu_seconds(self, segments: list[npt.NDArray[np.float32]]) -> float:
        """Return the CPU time of one pass over the segments."""
        began = time.process_time()
        for samples in segments:
            log_probs, _ = self._session.run(
                ["log_probs", "frame_lengths"],
                {"waveform": samples[None], "lengths": np.array([len(samples)], dtype=np.int64)},
            )
            if self._search is not None:
                self._search.words(log_probs[0])
        return time.process_time() - began


def measure(client: ShrutlekhClient, bare: BareLoop, workload: Workload, out: Path) -> Result:
    """Measure a workload.

    The bare loop runs before and after the service, so that a machine that slows down does not favour either.
    """
    segments = bare.segments(workload.paths)
    bare.cpu_seconds(segments[:20])
    before = bare.cpu_seconds(segments)
    began = cpu_seconds_by_process()
    outcomes = run(client, workload, out)
    ended = cpu_seconds_by_process()
    after = bare.cpu_seconds(segments)
    return Result(
        workload.name,
        len(outcomes),
        sum(outcome.seconds or 0.0 for outcome in outcomes),
        (before + after) / 2,
        {kind: seconds - began.get(kind, 0.0) for kind, seconds in ended.items()},
    )


def run(client: ShrutlekhClient, workload: Workload, out: Path) -> list[Outcome]:
    """Send the workload through the service. Exits if a job fails."""
    options = Options(force=True, in_flight=min(32, len(workload.paths)))
    with closing(Submission(client, plan(workload.paths, out), options).run()) as events:
        outcomes = [event for event in events if isinstance(event, Outcome)]
    failed = [outcome for outcome in outcomes if outcome.status != "succeeded"]
    if failed or len(outcomes) != len(workload.paths):
        sys.exit(f"{len(failed)} of {len(workload.paths)} jobs failed, the first: {failed[:1]}")
    return outcomes


def latencies(client: ShrutlekhClient, path: Path, count: int) -> list[float]:
    """Measure the seconds from the start of an upload to the transcript, one recording at a time."""
    seconds = []
    for _ in range(count):
        began = time.perf_counter()
        job = client.wait_for(client.submit(path).id)
        client.transcript(job.id)
        seconds.append(time.perf_counter() - began)
    return seconds


@dataclass(slots=True)
class Version:
    """A version of the service.

    Attributes:
        name: what the tables call it.
        tree: its source tree; None for this one.
        rounds: the results of each round, one for each workload.
        waits: seconds from upload to text on the idle service.
    """

    name: str
    tree: Path | None = None
    rounds: list[list[Result]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def json(self) -> dict[str, Any]:
        """Return everything that was measured."""
        return {
            "version": self.name,
            "rounds": [
                [
                    asdict(result)
                    | {
                        "system_cpu_seconds": result.system_cpu_seconds,
                        "ratio": result.ratio,
                        "extra_ms_per_job": result.extra_ms_per_job,
                    }
                    for result in results
                ]
                for results in self.rounds
            ],
            "submit_to_text_seconds": {"median": statistics.median(self.waits), "max": max(self.waits)},
        }


def measure_tree(
    version: Version, bare: BareLoop, workloads: list[Workload], folder: Path, waits: int
) -> list[Result]:
    """Start the service of a version and measure the workloads on it."""
    with (
        embedded_service(folder / "data", version.tree) as url,
        ShrutlekhClient(url, api_key="") as client,
    ):
        run(client, Workload("warm-up", workloads[0].paths[:4]), folder / "warm-up")
        version.waits += latencies(client, workloads[0].paths[0], waits)
        return [measure(client, bare, workload, folder / "out") for workload in workloads]


@contextmanager
def source_of(revision: str, folder: Path) -> Iterator[Path]:
    """Check out another revision of this repository into a folder during the block."""
    git = ["git", "-C", str(ROOT), "worktree"]
    subprocess.run([*git, "add", "--detach", "--quiet", str(folder), revision], check=True)  # noqa: S603
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=True)  # noqa: S603


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a short run that only shows that the benchmark works"
    )
    parser.add_argument("--jobs", type=int, help="number of short recordings (default 200)")
    parser.add_argument("--minutes", type=float, help="length of the long recording (default 30)")
    parser.add_argument("--rounds", type=int, default=1, help="how often to measure everything (default 1)")
    parser.add_argument(
        "--against",
        metavar="REVISION",
        help="measure the service of this revision too, in turn with this one",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    jobs = arguments.jobs or (20 if arguments.quick else 200)
    minutes = arguments.minutes or (2 if arguments.quick else 30)
    console = Console(stderr=True)
    settings = Settings()
    bare = BareLoop(settings.models_dir / settings.default_model)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        workloads = [
            short(folder / "short", jobs),
            long(folder / "long", 60 * minutes, bare.model.sample_rate),
        ]
        versions = [Version("this tree")]
        if arguments.against:
            tree = stack.enter_context(source_of(arguments.against, folder / "tree"))
            versions.insert(0, Version(arguments.against, tree))
        for number in range(arguments.rounds):
            for version in versions:
                with console.status(f"{version.name}, round {number + 1} of {arguments.rounds}"):
                    place = folder / f"{version.name} {number}".replace("/", "-")
                    waits = 5 if arguments.quick else 20
                    version.rounds.append(measure_tree(version, bare, workloads, place, waits))
    if arguments.json:
        print(json.dumps([version.json() for version in versions]))
        return
    for version in versions:
        Console().print(table(version))
        Console().print(process_table(version))
        Console().print(
            f"From upload to text on the idle service: median "
            f"{1000 * statistics.median(version.waits):.0f} ms, longest {1000 * max(version.waits):.0f} ms "
            f"of {len(version.waits)}",
            highlight=False,
        )


def table(version: Version) -> Table:
    """Make a table with a row per workload, with medians over the rounds and the range of the ratio."""
    rows = Table("recordings", title=f"CPU seconds per second of audio ({version.name})")
    for column in ("audio", "bare ONNX Runtime", "whole service", "ratio", "extra for a job"):
        rows.add_column(column, justify="right")
    for results in zip(*version.rounds, strict=True):
        seconds = results[0].audio_seconds
        ratios = [result.ratio for result in results]
        spread = f" ({min(ratios):.2f}-{max(ratios):.2f})" if len(ratios) > 1 else ""
        rows.add_row(
            results[0].workload,
            f"{seconds:.0f} s",
            f"{statistics.median(result.bare_cpu_seconds for result in results) / seconds:.5f}",
            f"{statistics.median(result.system_cpu_seconds for result in results) / seconds:.5f}",
            f"{statistics.median(ratios):.2f}{spread}",
            f"{statistics.median(result.extra_ms_per_job for result in results):.1f} ms",
        )
    return rows


def process_table(version: Version) -> Table:
    """Make a table with a row per kind of process, with medians over the rounds."""
    workloads = list(zip(*version.rounds, strict=True))
    rows = Table("process", title="CPU ms per job")
    for results in workloads:
        rows.add_column(results[0].workload, justify="right")
    for kind in sorted({kind for results in workloads for result in results for kind in result.processes}):
        figures = [
            statistics.median(1000 * result.processes.get(kind, 0.0) / result.jobs for result in results)
            for results in workloads
        ]
        rows.add_row(kind, *(f"{figure:.1f}" for figure in figures))
    return rows


if __name__ == "__main__":
    main()
