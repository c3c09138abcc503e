"""The CPUs and the memory that this machine or container has, and how worker processes share them."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.settings import Settings

CGROUP: Final = Path("/sys/fs/cgroup")

WORKERS_PART: Final = 0.9
"""Part of a container's memory for all worker processes together. The rest is for their parent process and
the page cache."""


@dataclass(frozen=True, slots=True)
class Share:
    """Worker processes, and ONNX Runtime threads for each."""

    processes: int
    threads: int


def usable_cpus(cgroup: Path = CGROUP) -> int:
    """CPUs of the affinity mask, bounded by the cgroup's CPU quota (version 2 or 1), at least one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroup)
    return max(1, min(allowed, math.ceil(quota))) if quota else allowed


def share_out(settings: Settings, cpus: int) -> Share:
    """One process for each CPU unless the settings say otherwise: small models gain most from that."""
    processes = settings.worker_processes or cpus
    return Share(processes, settings.worker_threads or max(1, cpus // processes))


def within_container(limit: int, processes: int, cgroup: Path = CGROUP) -> int:
    """Bytes that each of ``processes`` may allocate: ``limit``, or its share of the container if less.

    0 means no limit, both as argument and as result. A container without a limit changes nothing (cgroup
    version 2 or 1).
    """
    allowed = container_bytes(cgroup)
    if allowed is None:
        return limit
    share = share_of(allowed, processes)
    return min(limit, share) if limit else share


def share_of(memory: int, processes: int) -> int:
    """Bytes for each of ``processes`` that have ``memory`` bytes to themselves."""
    return int(memory * WORKERS_PART / processes)


def container_bytes(cgroup: Path = CGROUP) -> int | None:
    """Memory of the container that this process is in; None outside of any, or where it has no limit."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            limit = int((cgroup / name).read_text())
        except (OSError, ValueError):
            continue  # another version, or "max"
        if 0 < limit < 2**60:  # version 1 writes a number near 2**63 for no limit
            return limit
    return None


def _quota(cgroup: Path) -> float | None:
    """CPUs' worth of time that the cgroup may use; None without a quota ("max") or without a cgroup."""
    try:
        if (cgroup / "cpu.max").is_file():
            limit, period = (cgroup / "cpu.max").read_text().split()
        else:
            limit = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text()
        return float(limit) / float(period) if float(limit) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None
