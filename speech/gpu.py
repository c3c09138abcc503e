"""The NVIDIA GPU of this machine: whether it can be used, its memory, and how processes share that.

Nothing here starts CUDA or imports ONNX Runtime, so a worker's parent process can ask before it forks.
"""

import ctypes
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

Device = Literal["auto", "cpu", "cuda"]
"""Where a model runs. "auto" is "cuda" if this machine has an NVIDIA GPU, else "cpu"."""

DRIVER: Final = Path("/dev/nvidiactl")
NVML: Final = "libnvidia-ml.so.1"
CUDA_LIBRARY: Final = "libonnxruntime_providers_cuda.so"

PROCESSES_PART: Final = 0.9
"""Share of a GPU's memory for all worker processes. CUDA itself takes some, outside of every limit."""

BATCH_PART: Final = 0.5
"""Share of what the weights leave of a process's limit for one batch. The estimate of a batch's memory was
measured on a CPU, and algorithms of cuDNN take working memory of their own."""

SMALLEST_BATCH: Final = 32 * 2**20
LARGEST_BATCH: Final = 2**30
"""Bytes of a batch. More than the largest is never gathered: chunks wait for two minutes of audio at most."""

EXHAUSTED: Final = (
    "Failed to allocate memory",
    "Available memory of",  # ONNX Runtime: ... is smaller than requested bytes of ...
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
)
"""Parts of the messages of ONNX Runtime, CUDA, cuBLAS and cuDNN when the memory of a GPU runs out."""


class GpuMemory(NamedTuple):
    """Bytes of a GPU."""

    free: int
    total: int


def wants_gpu(device: Device) -> bool:
    """Return whether a model is to run on a GPU, if the library that runs it can."""
    return device == "cuda" or (device == "auto" and DRIVER.exists())


def has_cuda_provider() -> bool:
    """Return whether the installed ONNX Runtime is the one for NVIDIA GPUs."""
    spec = find_spec("onnxruntime")
    folders = spec.submodule_search_locations if spec is not None else None
    return any((Path(folder) / "capi" / CUDA_LIBRARY).is_file() for folder in folders or ())


def usable_gpu_memory(device: Device) -> GpuMemory | None:
    """Return the memory of the GPU that models run on; None if they run on the CPU or nobody knows."""
    return read_memory() if wants_gpu(device) and has_cuda_provider() else None


def gpu_memory_limit(memory: GpuMemory, processes: int) -> int:
    """Return the bytes of the GPU that each of ``processes`` may take.

    They do not depend on how much the other processes have taken already, unless other programs leave less.
    """
    return int(PROCESSES_PART * min(memory.total // processes, memory.free))


def batch_bytes(limit: int, weights: int) -> int:
    """Return the memory that a batch may take, of a process that may take ``limit`` bytes (0: unknown)."""
    return min(max(int(BATCH_PART * (limit - weights)), SMALLEST_BATCH), LARGEST_BATCH)


def is_gpu_exhausted(error: Exception) -> bool:
    """Return whether ``error`` means that the memory of the GPU ran out."""
    return any(sign in str(error) for sign in EXHAUSTED)


class _NvmlMemory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def read_memory(load: Callable[[str], Any] = ctypes.CDLL) -> GpuMemory | None:
    """Ask the driver, through its library NVML, for the memory of the GPU that CUDA would use first.

    Args:
        load: opens a library.

    Returns:
        None without a driver, or if it does not answer.
    """
    try:
        nvml = load(NVML)
    except OSError:
        return None
    if nvml.nvmlInit_v2() != 0:
        return None
    try:
        handle, memory = ctypes.c_void_p(), _NvmlMemory()
        if _find_device(nvml, handle) != 0:
            return None
        if nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) != 0:
            return None
    finally:
        nvml.nvmlShutdown()
    return GpuMemory(free=memory.free, total=memory.total)


def _find_device(nvml: Any, handle: ctypes.c_void_p) -> int:
    """NVML knows nothing of ``CUDA_VISIBLE_DEVICES``: numbers, or names such as GPU-... and MIG-..."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip() or "0"
    if first.isdecimal():
        return int(nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(int(first)), ctypes.byref(handle)))
    return int(nvml.nvmlDeviceGetHandleByUUID(first.encode(), ctypes.byref(handle)))
