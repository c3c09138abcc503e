"""The front end is small: it loads nothing of the engine, and only what is its own or shared."""

import subprocess
import sys

PROBE = """
import sys, time
import api.app
engine = {"numpy", "onnxruntime", "librosa", "matplotlib", "torch", "soundfile", "soxr", "PIL"}
ours = {"api", "client", "migrations", "modelkit", "shared", "speech", "training", "transcript", "worker"}
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(engine & loaded), sorted(ours & loaded), time.process_time() < 1.5)
"""


def test_it_imports_little_and_fast() -> None:
    result = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[] ['api', 'shared', 'transcript'] True"
