"""The front end imports nothing of the engine: only its own packages and the shared ones."""

import subprocess
import sys

PROBE = """
import sys
import api.app
engine = {"numpy", "onnxruntime", "librosa", "matplotlib", "torch", "soundfile", "soxr", "PIL"}
ours = {"api", "migrations", "modelkit", "ops", "shared", "shrutlekh", "speech", "transcript", "worker"}
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(engine & loaded), sorted(ours & loaded), len(sys.modules))
"""


def test_it_imports_little() -> None:
    result = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    folders, _, modules = result.stdout.strip().rpartition(" ")
    assert folders == "[] ['api', 'shared', 'transcript']"
    assert int(modules) < 1300, "modules; what was added?"
