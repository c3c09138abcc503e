"""The memory ceiling of a worker process: a recording that swells must not bring the machine down.

Under the ceiling an allocation fails and Python gets to say so; without it the kernel kills whom it likes.
"""

import errno
import sys
from pathlib import Path

from worker.cpus import CGROUP

PART_OF_THE_CONTAINER = 0.9
"""Of a container's memory for all processes together; the rest is the parent's and the page cache's."""

SIGNS = ("bad_alloc", "Failed to allocate memory", "malloc () failed", "can't start new thread")
"""What C++ libraries, ONNX Runtime, libsndfile and the threading module say when there is no memory."""


def within_container(limit: int, processes: int, cgroup: Path = CGROUP) -> int:
    """Bytes that each of ``processes`` may allocate: ``limit``, or its share of the container if less.

    0 is no limit, in and out; a container without a limit changes nothing (cgroup version 2 or 1).
    """
    allowed = container_bytes(cgroup)
    if allowed is None:
        return limit
    share = share_of(allowed, processes)
    return min(limit, share) if limit else share


def share_of(memory: int, processes: int) -> int:
    """Bytes for each of ``processes`` that have ``memory`` to themselves."""
    return int(memory * PART_OF_THE_CONTAINER / processes)


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


def limit_memory(limit: int) -> None:
    """Let this process allocate at most ``limit`` bytes of data; 0 sets no limit. Linux alone can."""
    if limit and sys.platform == "linux":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def lift_limit() -> None:
    """Give a process that ran into its ceiling room for its last words."""
    if sys.platform == "linux":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def is_want_of_memory(error: Exception) -> bool:
    """Whether ``error`` says that there was no memory left."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return any(sign in str(error) for sign in SIGNS)
