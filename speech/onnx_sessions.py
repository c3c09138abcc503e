"""How every ONNX Runtime session of the engine is set up."""

import onnxruntime as ort


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
