"""A real file system of a few megabytes."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import missing

MEGABYTES = 8


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a small file system at ``folder``. Needs root."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m,mode=755", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        missing("the right to mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Create a file that fills the rest of the disk."""
    ballast = folder / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            for size in (2**20, 2**12):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue
    except OSError:
        pass
    return ballast
