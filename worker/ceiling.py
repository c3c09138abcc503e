"""The memory ceiling of a worker process: a recording that decodes to gigabytes must not stop the machine.

Under the ceiling an allocation fails and Python can report it. Without it the kernel's OOM killer may pick
any process.
"""

import errno
import sys

SIGNS = ("bad_alloc", "Failed to allocate memory", "malloc () failed", "can't start new thread")
"""What C++ libraries, ONNX Runtime, libsndfile and the threading module say when there is no memory."""


def limit_memory(limit: int) -> None:
    """Let this process allocate at most ``limit`` bytes of data; 0 sets no limit. Works on Linux only."""
    if limit and sys.platform == "linux":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def lift_limit() -> None:
    """Remove the ceiling, so that a process that ran into it can still hand its job back."""
    if sys.platform == "linux":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def is_want_of_memory(error: Exception) -> bool:
    """Whether ``error`` says that there was no memory left."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return any(sign in str(error) for sign in SIGNS)
