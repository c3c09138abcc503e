"""Run every program in turn, each pass in a new process, and keep what it reports."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.peers.child import Report, Task
from benchmarks.peers.lineup import Entry
from benchmarks.peers.recording_sets import RecordingSet
from benchmarks.recordings import ROOT

LINES_TOLD = 5
"""Last lines of a failed process's output that the message repeats."""


class PassFailed(Exception):
    """A program failed. The message has the end of its output."""


@dataclass(frozen=True, slots=True)
class Installed:
    """What the passes need.

    Attributes:
        python: the Python of the peers' environment; None if no peer is measured.
        folders: the model in each layout.
        detector: silero-vad's ONNX file.
        warm: WAV files to transcribe before the measurement.
    """

    python: Path | None
    folders: Mapping[str, Path]
    detector: Path
    warm: list[str]


@dataclass(frozen=True, slots=True)
class Pass:
    """A program's report on a set of recordings with some cores, in one round."""

    entry: Entry
    recordings: RecordingSet
    cores: int
    report: Report


def passes(
    entries: Sequence[Entry],
    sets: Sequence[RecordingSet],
    cores: Sequence[Sequence[int]],
    rounds: int,
    installed: Installed,
) -> Iterator[Pass]:
    """Measure all programs on all sets. In a round each program has its turn once.

    Args:
        cores: the CPUs to use, one group after another.

    Raises:
        PassFailed: a program failed.
    """
    for recordings in sets:
        chosen = [entry for entry in entries if recordings.name in entry.sets]
        for group in cores:
            for _ in range(rounds):
                for entry in chosen:
                    task = task_of(entry, recordings, group, installed)
                    python = sys.executable if entry.runs_here else str(installed.python)
                    yield Pass(entry, recordings, len(group), run(task, python, entry.name))


def count_passes(
    entries: Sequence[Entry], sets: Sequence[RecordingSet], cores: Sequence[Sequence[int]], rounds: int
) -> int:
    """Return how many passes `passes` yields."""
    pairs = sum(recordings.name in entry.sets for entry in entries for recordings in sets)
    return pairs * len(cores) * rounds


def task_of(entry: Entry, recordings: RecordingSet, cores: Sequence[int], installed: Installed) -> Task:
    """Return what the process of a pass is told."""
    detector = None if recordings.whole else str(installed.detector)
    return Task(
        entry.module,
        str(installed.folders[entry.layout]),
        entry.precision,
        entry.decoder,
        entry.beam,
        detector,
        installed.warm,
        recordings.paths,
        list(cores),
    )


def run(task: Task, python: str, name: str) -> Report:
    """Run a pass in a new process.

    Raises:
        PassFailed: the process failed.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        told, found = Path(folder, "task.json"), Path(folder, "report.json")
        told.write_text(json.dumps(asdict(task)), encoding="utf-8")
        command = [python, "-m", "benchmarks.peers.child", str(told), str(found)]
        done = subprocess.run(  # noqa: S603 - our own command, no shell
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            cwd=ROOT,
            env=_environment(),
        )
        if done.returncode != 0 or not found.is_file():
            said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-LINES_TOLD:])
            raise PassFailed(f"{name} ended with {done.returncode}:\n{said}")
        return Report.read(found)


def _environment() -> dict[str, str]:
    """Return the environment of a process: this project's modules, and no downloads of models."""
    return os.environ | {
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "client"))),
        "HF_HUB_OFFLINE": "1",
    }
