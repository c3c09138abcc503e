"""How every ONNX Runtime session of the engine is set up, and on which device it runs."""

import logging
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from typing import Any, Final

import onnxruntime as ort

from speech.gpu import Device, wants_gpu

CPU: Final = "CPUExecutionProvider"
CUDA: Final = "CUDAExecutionProvider"
CUDA_OPTIONS: Final = {
    # The default tries all algorithms at each new input shape, and nearly every recording has a new shape.
    "cudnn_conv_algo_search": "HEURISTIC",
    # The default doubles what the arena takes each time that it grows.
    "arena_extend_strategy": "kSameAsRequested",
}

log = logging.getLogger(__name__)


def open_session(
    graph: str | bytes, threads: int, *, on_gpu: bool = False, gpu_memory: int = 0
) -> ort.InferenceSession:
    """Open a session. If it cannot run on the GPU as it should, it runs on the CPU and the log tells why.

    Args:
        graph: path or content of an ONNX model.
        threads: within an operator; operators run one after another.
        on_gpu: see `runs_on_gpu`.
        gpu_memory: most bytes that the session may take of the GPU. 0: no limit.

    Raises:
        Exception: ONNX Runtime's, which keeps its types private: the graph cannot be loaded.
    """
    limit = {"gpu_mem_limit": str(gpu_memory)} if gpu_memory else {}
    providers: list[Any] = [(CUDA, CUDA_OPTIONS | limit), CPU] if on_gpu else [CPU]
    session = ort.InferenceSession(graph, sess_options=session_options(threads), providers=providers)
    if on_gpu and CUDA not in session.get_providers():
        tell_fallback("ONNX Runtime could not start its CUDA provider; its own message is above")
    return session


def runs_on_gpu(device: Device) -> bool:
    """Return whether to open sessions on the GPU. If that was wanted and cannot be, the log tells why."""
    if not wants_gpu(device):
        return False
    if CUDA in ort.get_available_providers():
        load_cuda()
        return True
    tell_fallback(
        f"the installed ONNX Runtime {ort.__version__} has no CUDA provider; install onnxruntime-gpu in "
        "place of onnxruntime"
    )
    return False


@cache
def load_cuda() -> None:
    """Load the CUDA libraries that Python packages brought, where the provider itself does not look."""
    said = StringIO()
    with redirect_stdout(said):
        ort.preload_dlls()
    for line in said.getvalue().splitlines():
        log.warning("cuda_library_missing: %s", line)


@cache  # once in a process, not for each session
def tell_fallback(reason: str) -> None:
    """Log that models run on the CPU though a GPU was wanted."""
    log.warning("gpu_unavailable: models run on the CPU, because %s", reason)


def session_options(threads: int) -> ort.SessionOptions:
    """Options for a session that shares its machine with others; `threads` is within an operator."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    # Spinning saves one session microseconds and takes whole cores from its neighbours.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Patterns are planned and kept for each input shape, and nearly every recording has a new shape: over 42
    # clips they saved no time and took 48 MB. The arena stays on: without it the clips took 8 % longer.
    options.enable_mem_pattern = False
    return options
