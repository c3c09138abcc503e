"""The process of one pass: load one program, transcribe a set of recordings once, and report what that took.

Run as ``python -m benchmarks.peers.child TASK REPORT``, both files of JSON, by any Python: the module imports
only the standard library, and then the program.
"""

import json
import os
import resource
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module, metadata
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Task:
    """What the process does.

    Attributes:
        module: name of the program's module in `benchmarks.peers.programs`.
        folder: the model, in the layout of the program.
        precision: "int8" or "float32".
        decoder: "greedy" or "beam".
        beam: hypotheses that Whisper's decoder keeps; 1 is greedy.
        detector: silero-vad's ONNX file, to cut long recordings. None to recognise each recording as a whole.
        warm: recordings to transcribe before the measurement.
        paths: recordings to measure, in order.
        cores: CPUs that the process and its children may use. The program gets as many threads.
    """

    module: str
    folder: str
    precision: str
    decoder: str
    beam: int
    detector: str | None
    warm: list[str]
    paths: list[str]
    cores: list[int]

    @property
    def threads(self) -> int:
        return len(self.cores)


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of CPU time, user and system, and of wall-clock time."""

    cpu: float
    wall: float


@dataclass(frozen=True, slots=True)
class Report:
    """What a pass took and found.

    Attributes:
        imported: importing the program's modules.
        loaded: loading the model and transcribing the warm-up recordings.
        transcribed: transcribing the recordings, from their files to texts.
        peak_bytes: the most resident memory, from the start of the process.
        texts: one per recording.
        versions: of the libraries that do the work.
    """

    imported: Cost
    loaded: Cost
    transcribed: Cost
    peak_bytes: int
    texts: list[str]
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Report":
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        costs = {name: Cost(**found[name]) for name in ("imported", "loaded", "transcribed")}
        return cls(**found | costs)


class Program(ABC):
    """A loaded program. By default its figures are those of this process."""

    libraries: Sequence[str] = ()
    """Distributions whose versions are reported."""

    @abstractmethod
    def transcribe(self, paths: list[str]) -> list[str]:
        """Return the text of each recording."""

    def warm(self, paths: list[str]) -> None:
        """Make the first measured recording as fast as the next."""
        self.transcribe(paths[:1])

    def cpu_seconds(self) -> float:
        """Return the CPU time so far, that of ended children included."""
        return cpu_seconds()

    def peak_bytes(self) -> int:
        return peak_bytes(os.getpid())

    def close(self) -> None:  # noqa: B027 - most programs have nothing to stop
        """Stop what the program started."""


def cpu_seconds() -> float:
    """Return the CPU time of this process and its ended children so far."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def peak_bytes(pid: int) -> int:
    """Return the most resident memory that a process ever had.

    The kernel's `ru_maxrss` starts with the parent's memory, so it is used only where there is no /proc.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    lines = (line.split() for line in status.splitlines())
    return next((1024 * int(words[1]) for words in lines if words[:1] == ["VmHWM:"]), 0)


class Watch:
    """Measures what each step of this process takes."""

    def __init__(self) -> None:
        self._cpu, self._wall = cpu_seconds(), time.perf_counter()

    def lap(self) -> Cost:
        """Return what this process took since the last call, or since it was made."""
        cpu, wall = cpu_seconds(), time.perf_counter()
        cost = Cost(cpu - self._cpu, wall - self._wall)
        self._cpu, self._wall = cpu, wall
        return cost


def run(task: Task) -> Report:
    """Do the pass in this process."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, task.cores)
    watch = Watch()
    module = import_module(f"benchmarks.peers.programs.{task.module}")
    imported = watch.lap()
    program: Program = module.load(task)
    try:
        program.warm(task.warm)
        loaded = watch.lap()
        cpu, wall = program.cpu_seconds(), time.perf_counter()
        texts = program.transcribe(task.paths)
        transcribed = Cost(program.cpu_seconds() - cpu, time.perf_counter() - wall)
        versions = {name: metadata.version(name) for name in program.libraries}
        return Report(imported, loaded, transcribed, program.peak_bytes(), texts, versions)
    finally:
        program.close()


def main() -> None:
    task, report = map(Path, sys.argv[1:])
    found = run(Task(**json.loads(task.read_text(encoding="utf-8"))))
    report.write_text(json.dumps(asdict(found), ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
