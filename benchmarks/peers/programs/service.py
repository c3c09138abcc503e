"""The whole service, as `benchmarks.overhead` measures it: all processes but the uploading client.

It also queues, stores, draws the picture and answers polls, which no peer does. Its memory is the sum of the
peaks of its processes, in which shared pages count several times.
"""

import os
import tempfile
from contextlib import ExitStack, closing
from pathlib import Path

import psutil
from shrutlekh import ShrutlekhClient
from shrutlekh.bulk import Options, Outcome, Submission, plan
from shrutlekh_contract.options import SubmissionOptions

from benchmarks.peers.child import Program, Task, peak_bytes
from benchmarks.processes import cpu_seconds_by_process
from ops.demo import embedded_service


class Service(Program):
    libraries = ("onnxruntime",)

    def __init__(self, task: Task) -> None:
        model = Path(task.folder)
        os.environ |= {"SHRUTLEKH_MODELS_DIR": str(model.parent), "SHRUTLEKH_DEFAULT_MODEL": model.name}
        self._chosen = SubmissionOptions(decoder=task.decoder)
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        self._out = folder / "out"
        url = self._stack.enter_context(embedded_service(folder / "data"))
        self._client = self._stack.enter_context(ShrutlekhClient(url, api_key=""))

    def transcribe(self, paths: list[str]) -> list[str]:
        """Submit all recordings and wait for their texts. Exits if a job fails."""
        options = Options(force=True, in_flight=min(32, len(paths)), chosen=self._chosen)
        submission = Submission(self._client, plan([Path(path) for path in paths], self._out), options)
        with closing(submission.run()) as events:
            found = {event.source: event for event in events if isinstance(event, Outcome)}
        failed = [outcome for outcome in found.values() if outcome.status != "succeeded"]
        if failed or len(found) != len(paths):
            raise SystemExit(f"{len(failed)} of {len(paths)} jobs failed, the first: {failed[:1]}")
        return [found[path].text or "" for path in paths]

    def warm(self, paths: list[str]) -> None:
        self.transcribe(paths)

    def cpu_seconds(self) -> float:
        return sum(cpu_seconds_by_process().values())

    def peak_bytes(self) -> int:
        return sum(peak_bytes(process.pid) for process in psutil.Process().children(recursive=True))

    def close(self) -> None:
        self._stack.close()


def load(task: Task) -> Program:
    return Service(task)
