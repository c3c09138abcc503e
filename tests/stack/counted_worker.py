"""``python -m tests.stack.counted_worker``: a real worker whose runs of the graph are slow and counted.

Each run adds a byte to the file that the environment names; it may also say how long a start takes.
"""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from speech.recognisers import LogProbs, Samples
from speech.recognisers.onnx_ctc import OnnxCtcRecogniser
from worker.__main__ import main

RUNS_FILE = "COUNTED_WORKER_FILE"
START_SECONDS = "COUNTED_WORKER_START_SECONDS"
RUN_SECONDS = 0.3
WARM_RUNS = len(OnnxCtcRecogniser.WARM_SECONDS)

if __name__ == "__main__":
    log_probs = OnnxCtcRecogniser.log_probs
    warm_left = WARM_RUNS  # of each process, for they are forked

    def counted(recogniser: OnnxCtcRecogniser, waveforms: Sequence[Samples]) -> list[LogProbs]:
        global warm_left
        if warm_left:
            warm_left -= 1
            time.sleep(float(os.environ.get(START_SECONDS, "0")))
        else:
            with Path(os.environ[RUNS_FILE]).open("ab", buffering=0) as file:
                file.write(b".")
            time.sleep(RUN_SECONDS)
        return log_probs(recogniser, waveforms)

    OnnxCtcRecogniser.log_probs = counted  # type: ignore[method-assign]
    main()
