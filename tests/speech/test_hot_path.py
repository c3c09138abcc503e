"""What a warmed process does again for each recording: it imports nothing and opens each file once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.speech.sounds import write_model

PROGRAM = """
import json, sys
from pathlib import Path
from speech import Engine
from speech.waveform import paint

model, *paths = map(Path, sys.argv[1:])
engine = Engine.load(model)
engine.warm()
opened = []

def note(event, arguments):
    if event == "open":
        opened.append(str(arguments[0]))

def transcribe(path):
    with engine.transcribe(path) as transcription:
        list(transcription)
    paint(transcription.summary.peaks)

transcribe(paths[0])
before = set(sys.modules)
sys.addaudithook(note)
for path in paths[1:]:
    transcribe(path)
print(json.dumps({"imported": sorted(set(sys.modules) - before), "opened": opened}))
"""


@pytest.mark.parametrize("decoder", ["greedy", "installed"])
def test_the_second_recording_imports_nothing_and_is_opened_once(
    clips: list[Path], installed_model: Path, tmp_path: Path, decoder: str
) -> None:
    model = installed_model if decoder == "installed" else write_model(tmp_path / "model", detector=None)
    command = [sys.executable, "-c", PROGRAM, model, *clips[:4]]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert found == {"imported": [], "opened": [str(clip) for clip in clips[1:4]]}
