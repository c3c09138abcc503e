"""The memory limit of a worker process.

With the limit, an allocation that is too large fails as an exception in this process, which can then report
it. Without it the kernel's OOM killer may pick any process of the machine.
"""

import errno
import sys
from pathlib import Path

from worker.cpus import CGROUP

PART_OF_THE_CONTAINER = 0.9
"""Share of a container's memory for all worker processes. The rest is for the parent and the page cache."""

SIGNS = ("bad_alloc", "Failed to allocate memory", "malloc () failed", "can't start new thread")
"""Parts of the messages of C++ libraries, ONNX Runtime, libsndfile and threading when memory runs out."""


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
    return int(memory * PART_OF_THE_CONTAINER / processes)


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


def limit_memory(limit: int) -> None:
    """Limit the data that this process may allocate to ``limit`` bytes. 0 sets no limit. Linux only."""
    if limit and sys.platform == "linux":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def lift_limit() -> None:
    """Remove the limit, so that a process that reached it can still hand its job back and log."""
    if sys.platform == "linux":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def is_want_of_memory(error: Exception) -> bool:
    """Return whether ``error`` means that memory ran out."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return any(sign in str(error) for sign in SIGNS)
