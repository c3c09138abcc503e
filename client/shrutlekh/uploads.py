"""The uploaded file: opening it, naming it, and sending it at the length it had at first."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from shrutlekh.errors import RecordingUnreadable

Source = str | os.PathLike[str] | BinaryIO
"""A path, or a seekable binary file."""


@contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """Open a path and close it at the end; an open file is passed through and left open.

    Raises:
        RecordingUnreadable: the file of a path cannot be opened or read.
    """
    if not isinstance(source, str | os.PathLike):
        yield source
        return
    try:
        with Path(source).open("rb") as file:
            yield file
    except OSError as error:
        raise RecordingUnreadable(f"The file cannot be read: {error.strerror or error}.") from error


def upload_of(file: BinaryIO, name: str | None) -> tuple[str, BinaryIO, str]:
    """Return the file as httpx expects it: name, content, media type. Each request reads from the start."""
    return (
        _sendable(name or Path(str(getattr(file, "name", "recording"))).name),
        cast(BinaryIO, _Snapshot(file)),
        "application/octet-stream",
    )


class _Snapshot:
    """A file cut off at its initial length, which the request announces, even if the file grows meanwhile."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)

    def read(self, size: int) -> bytes:
        left = self._size - self._file.tell()
        block = self._file.read(min(size, left))
        if left and not block:
            raise RecordingUnreadable("The file became shorter while it was uploaded.")
        return block

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset if whence == os.SEEK_SET else self._size)

    def tell(self) -> int:
        return self._file.tell()


def _sendable(name: str) -> str:
    """Return the name as valid UTF-8, which the form requires and a file name need not be."""
    return os.fsencode(name).decode("utf-8", "replace")
