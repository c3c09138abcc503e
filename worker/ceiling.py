"""The memory limit of a worker process.

With the limit, an allocation that is too large fails as an exception in this process, which can then report
it. Without it the kernel's OOM killer may pick any process of the machine.
"""

import errno
import sys

from speech import is_gpu_exhausted

SIGNS = ("bad_alloc", "Failed to allocate memory", "malloc () failed", "can't start new thread")
"""Parts of the messages of C++ libraries, ONNX Runtime, libsndfile and threading when memory runs out."""


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
    """Return whether ``error`` means that memory ran out, of the machine or of its GPU."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return any(sign in str(error) for sign in SIGNS) or is_gpu_exhausted(error)
