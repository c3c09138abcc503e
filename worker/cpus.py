"""Count the CPUs that this process may use, also in a container, and divide them among worker processes."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from shared.settings import Settings

CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Share:
    """Number of worker processes, and of ONNX Runtime threads per process."""

    processes: int
    threads: int


def usable_cpus(cgroup: Path = CGROUP) -> int:
    """Count the CPUs of the affinity mask, at most the CPU quota of cgroup version 2 or 1, at least one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroup)
    return max(1, min(allowed, math.ceil(quota))) if quota else allowed


def share_out(settings: Settings, cpus: int) -> Share:
    """Divide the CPUs: one process per CPU by default, the best throughput for small models."""
    processes = settings.worker_processes or cpus
    return Share(processes, settings.worker_threads or max(1, cpus // processes))


def _quota(cgroup: Path) -> float | None:
    try:
        if (cgroup / "cpu.max").is_file():
            limit, period = (cgroup / "cpu.max").read_text().split()
        else:
            limit = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text()
        return float(limit) / float(period) if float(limit) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None  # no quota ("max"), or not in a cgroup
