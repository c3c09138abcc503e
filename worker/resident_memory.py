"""Measure the memory of this process, and return what it no longer uses to the machine."""

import ctypes
import gc
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

_STATM: Final = Path("/proc/self/statm")


def private_bytes() -> int:
    """Return the resident bytes of this process that are not mapped files. 0 where unknown (not Linux)."""
    try:
        _, resident, shared, *_ = _STATM.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def return_unused() -> None:
    """Collect garbage, and let the C library return its free pages, which it keeps by default."""
    gc.collect()
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Any:
    """glibc's function; None with another C library."""
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
