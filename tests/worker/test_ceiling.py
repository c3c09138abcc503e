import subprocess
import sys
from pathlib import Path

import pytest

from tests.speech.sounds import write_model

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone limits a process's data")

TRIED = """
from worker.ceiling import is_want_of_memory, lift_limit, limit_memory
import numpy
limit_memory({limit})
try:
    numpy.ones(2**27, numpy.uint8)
except Exception as error:
    assert is_want_of_memory(error)
    print("refused")
lift_limit()
numpy.ones(2**27, numpy.uint8)
print("given")
"""


@pytest.mark.parametrize(("limit", "said"), [(100 * 2**20, "refused\ngiven\n"), (0, "given\n")])
def test_more_than_the_ceiling_is_refused_until_it_is_lifted(limit: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRIED.format(limit=limit)],
        capture_output=True,
        text=True,
        timeout=60,
        env={"OPENBLAS_NUM_THREADS": "1"},
    )
    assert (done.stdout, done.returncode) == (said, 0), done.stderr


ONNX = """
import sys
from pathlib import Path
import numpy
from speech import Engine
from worker.ceiling import is_want_of_memory, limit_memory
engine = Engine.load(Path(sys.argv[1]))
engine.warm()
waveform = numpy.zeros(2**27, numpy.float32)
data = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmData"))
limit_memory(data * 1024 + 700 * 2**20)
try:
    engine.recogniser.log_probs([waveform])
except Exception as error:
    print(is_want_of_memory(error), type(error), error)
"""


def test_onnx_runtime_without_memory_is_understood(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "loudness")
    done = subprocess.run(
        [sys.executable, "-c", ONNX, str(folder)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("True"), done.stdout + done.stderr
