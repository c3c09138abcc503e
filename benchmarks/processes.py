"""CPU time and memory of the service's processes, by their kind: the module they run, or the program."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import psutil


def cpu_seconds_by_process() -> dict[str, float]:
    """Return the CPU time of all descendants of this process so far, including ended ones, by their kind."""
    return _by_kind(_cpu_seconds)


def megabytes_by_process() -> dict[str, float]:
    """Return the resident memory of all descendants of this process in MB, by their kind."""
    return _by_kind(lambda process: process.memory_info().rss / 1e6)


def _by_kind(measure: Callable[[psutil.Process], float]) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for process in psutil.Process().children(recursive=True):
        try:
            found[_kind_of(process.cmdline())] += measure(process)
        except psutil.NoSuchProcess:
            continue
    return dict(found)


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def _kind_of(command: list[str]) -> str:
    if "-m" in command[:-1]:
        return command[command.index("-m") + 1]
    return Path(command[0].split()[0]).name if command and command[0] else "other"
