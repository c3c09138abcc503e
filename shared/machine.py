"""Count the CPUs and the memory that this process may use, also in a container; divide them among workers."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.settings import Settings

CGROUP: Final = Path("/sys/fs/cgroup")

WORKERS_PART: Final = 0.9
"""Share of a container's memory for all worker processes. The rest is for the parent and the page cache."""


GPU_PROCESSES: Final = 2
"""Worker processes on a GPU: one reads and cuts its next audio while the graph of the other runs. Each has a
copy of the model in the GPU's memory."""


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


def share_out(settings: Settings, cpus: int, *, on_gpu: bool = False) -> Share:
    """Divide the CPUs: one process per CPU by default, the best throughput for small models.

    Args:
        settings: the service's settings.
        cpus: usable ones.
        on_gpu: whether the processes run models on a GPU, which few processes keep busy.
    """
    processes = settings.worker_processes or (min(cpus, GPU_PROCESSES) if on_gpu else cpus)
    return Share(processes, settings.worker_threads or max(1, cpus // processes))


def within_container(limit: int, processes: int, cgroup: Path = CGROUP) -> int:
    """Return the bytes that each of ``processes`` may allocate.

    That is ``limit``, or the process's share of the container's memory if less. 0 means unlimited, as
    argument and as result. Reads the limit of cgroup version 2 or 1.
    """
    allowed = container_bytes(cgroup)
    if allowed is None:
        return limit
    share = share_of(allowed, processes)
    return min(limit, share) if limit else share


def share_of(memory: int, processes: int) -> int:
    """Divide a container's ``memory`` in bytes among ``processes``."""
    return int(memory * WORKERS_PART / processes)


def container_bytes(cgroup: Path = CGROUP) -> int | None:
    """Return this container's memory limit in bytes. None outside a container or without a limit."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            limit = int((cgroup / name).read_text())
        except (OSError, ValueError):
            continue  # the other cgroup version, or "max"
        if 0 < limit < 2**60:  # cgroup version 1 writes a number near 2**63 if there is no limit
            return limit
    return None


def _quota(cgroup: Path) -> float | None:
    """CPUs that the cgroup may use, as a fraction. None without a quota ("max") or outside a cgroup."""
    try:
        if (cgroup / "cpu.max").is_file():
            limit, period = (cgroup / "cpu.max").read_text().split()
        else:
            limit = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text()
        return float(limit) / float(period) if float(limit) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None
