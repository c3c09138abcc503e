"""Every hostile file that is quick to make, in a process of its own under a ceiling of memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from shared.errors import RECORDING_ERRORS
from tests.fuzz.bombs import BOMBS, SLOW, compressed_index

CHILD = """
import json, sys
from pathlib import Path
from speech.audio import open_audio
from speech.audio.containers import ContainerReader
from speech import SpeechError
from worker.ceiling import limit_memory

def kilobytes(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))

limit_memory(kilobytes("VmData") * 1024 + 600 * 2**20)
for path in sys.argv[1:]:
    Path("/proc/self/clear_refs").write_text("5")
    before, seconds, code = kilobytes("VmHWM"), 0.0, None
    try:
        with open_audio(path, 16_000, 6 * 3600) as audio:
            for _ in audio:
                seconds = audio.decoded_seconds
    except SpeechError as error:
        code = error.code
    print(json.dumps([code, seconds, kilobytes("VmHWM") - before]), flush=True)
"""

EXPECTED = {
    "7 h of silence, FLAC": "audio_too_long",
    "7 h of silence, Opus in WebM": "audio_too_long",
    "7 h of silence, Opus in Ogg": "audio_too_long",
    "7 h of gaps in Matroska": "audio_too_long",
    "MP4: 2^32 times": "audio_unreadable",
    "MP4: 65,535 channels": "audio_unreadable",
    "playlist of files": "audio_unreadable",
    "list of files to join": "audio_unreadable",
    "session description": "audio_unreadable",
    "DASH manifest": "audio_unreadable",
    "reference movie": "audio_unreadable",
    "MIDI": "audio_unreadable",
    "nothing": "audio_unreadable",
}

SPARSE = {"MP4: 4 GHz"}
"""Timestamps far apart, which are silence."""


def explode(folder: Path, contents: dict[str, bytes]) -> dict[str, tuple[str | None, float, int]]:
    """Code, seconds of audio and kilobytes of memory of each."""
    paths = []
    for number, content in enumerate(contents.values()):
        paths.append(folder / f"{number:03d}")
        paths[-1].write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, paths)], capture_output=True, text=True, timeout=120
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    names = list(contents)
    assert done.returncode == 0, f"{names[len(lines)]}: {done.returncode} {done.stderr[-2000:]}"
    return dict(zip(names, lines, strict=True))


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone limits a process's data")
def test_hostile_files_cost_little_and_fail_with_a_code(tmp_path: Path) -> None:
    found = explode(tmp_path, {name: make() for name, make in BOMBS.items() if name not in SLOW})
    for name, (code, seconds, kilobytes) in found.items():
        assert code is None or code in RECORDING_ERRORS, name
        assert code == EXPECTED.get(name, code), name
        assert code is not None or seconds < 10 or name in SPARSE, name
        assert kilobytes < 50_000, f"{name}: {kilobytes} kB"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone limits a process's data")
def test_a_compressed_index_is_not_unpacked(tmp_path: Path) -> None:
    ((code, _, kilobytes),) = explode(tmp_path, {"index": compressed_index(200)}).values()
    assert code == "audio_unsupported"
    assert kilobytes < 50_000
