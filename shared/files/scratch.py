"""Scratch files: local files without a name, which the operating system deletes however a process ends."""

import os
import tempfile
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from shared.files.disk import require_disk_room, translated_disk_errors
from shared.files.store import Spool


def scratch_file(folder: Path) -> FileIO:
    """Create a scratch file on the disk of ``folder``, unbuffered. Closing it deletes it.

    Raises:
        StorageFull: the disk is full.
    """
    with translated_disk_errors():
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=folder, buffering=0)


def path_of(file: FileIO) -> Path:
    """Return a path by which this process can open the scratch file again."""
    return Path(f"/dev/fd/{file.fileno()}")


def write_whole(file: FileIO, block: bytes) -> None:
    """Write all of a block.

    Raises:
        StorageFull: the disk is full.
    """
    rest = memoryview(block)
    with translated_disk_errors():
        while rest:
            rest = rest[file.write(rest) :]


class ScratchSpool(Spool):
    """A spool in a scratch file, for stores that keep their files on other machines."""

    def __init__(self, folder: Path, max_bytes: int, reserve_bytes: int) -> None:
        super().__init__(max_bytes)
        self._folder = folder
        self._reserve_bytes = reserve_bytes
        self._file: FileIO | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a file, which :meth:`close` removes."""
        return self._file is not None

    def reader(self) -> BinaryIO:
        """Open what was written so far for reading. It stays readable after :meth:`close`."""
        file = os.fdopen(os.dup(self._opened().fileno()), "rb")
        file.seek(0)
        return file

    def close(self) -> None:
        """Delete the file, once its readers are closed. Idempotent."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append(self, block: bytes) -> None:
        require_disk_room(self._folder, len(block), self._reserve_bytes)
        self._hash.update(block)
        write_whole(self._opened(), block)

    def _opened(self) -> FileIO:
        if self._file is None:
            self._file = scratch_file(self._folder)
        return self._file
