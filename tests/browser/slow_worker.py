"""A real worker that can be slowed down while a test looks at the page."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.stack.conftest import ROOT

SWITCH = "SLOW_WORKER_SWITCH"
RUN_SECONDS = 2.5
# Python imports it in each process of the service.
SITECUSTOMIZE = f"""
import os
import sys
import time

if sys.orig_argv[-1] == "worker":
    from speech.recognisers.onnx_ctc import OnnxCtcRecogniser

    log_probs = OnnxCtcRecogniser.log_probs

    def slow(*arguments):
        deadline = time.monotonic() + {RUN_SECONDS}
        while time.monotonic() < deadline and os.path.exists(os.environ[{SWITCH!r}]):
            time.sleep(0.05)
        return log_probs(*arguments)

    OnnxCtcRecogniser.log_probs = slow
"""


class SlowWorker:
    """Makes each run of the graph take at least `RUN_SECONDS` while it is switched on."""

    def __init__(self, folder: Path) -> None:
        self._switch = folder / "slow"
        self._code = folder / "slow-worker"
        self._code.mkdir()
        (self._code / "sitecustomize.py").write_text(SITECUSTOMIZE)

    def settings(self) -> dict[str, str]:
        """Environment of the service whose worker it is."""
        path = ":".join([str(self._code), str(ROOT), str(ROOT / "client")])
        return {"PYTHONPATH": path, SWITCH: str(self._switch)}

    @contextmanager
    def slowed(self) -> Iterator[None]:
        """Slow the worker down during the block."""
        self._switch.touch()
        try:
            yield
        finally:
            self._switch.unlink()
