"""Uploaded files: opening them, naming them, and sending each at the length it had at first."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from shrutlekh.errors import RecordingUnreadable

Source = str | os.PathLike[str] | BinaryIO
"""A path, or a seekable binary file."""

Part = tuple[str, tuple[str, BinaryIO, str]]
"""A part of a form: its name, and the name, content and media type of its file."""


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


def uploads_of(
    sources: Iterable[Source], root: str | os.PathLike[str] | None, part: str = "file"
) -> list[Part]:
    """Return the files of a batch as httpx expects them. A path is opened when its turn comes.

    Args:
        root: the paths are sent relative to this folder. Default: their names alone.
        part: name of the part that each is sent in.

    Raises:
        RecordingUnreadable: a file is missing, or not below ``root``.
    """
    return [(part, _upload_of(source, root)) for source in sources]


def _upload_of(source: Source, root: str | os.PathLike[str] | None) -> tuple[str, BinaryIO, str]:
    if not isinstance(source, str | os.PathLike):
        return upload_of(source, None)
    path = Path(source)
    try:
        name = path.name if root is None else path.relative_to(root).as_posix()
        file = _OpenedLate(path)
    except (OSError, ValueError) as error:
        raise RecordingUnreadable(f"{path} cannot be sent: {error}.") from error
    return _sendable(name), cast(BinaryIO, file), "application/octet-stream"


class _OpenedLate:
    """A file that is open only while it is read: a batch may have more files than a process may open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = path.stat().st_size
        self._file: BinaryIO | None = None
        self._at = 0

    def read(self, size: int) -> bytes:
        try:
            if self._file is None:
                self._file = self._path.open("rb")
            block = self._file.read(min(size, self._size - self._at))
        except OSError as error:
            raise RecordingUnreadable(f"{self._path} cannot be read: {error.strerror or error}.") from error
        if self._at < self._size and not block:
            raise RecordingUnreadable(f"{self._path} became shorter while it was uploaded.")
        self._at += len(block)
        if self._at == self._size:
            self._close()
        return block

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to the beginning or the end, as httpx does."""
        self._close()
        self._at = offset if whence == os.SEEK_SET else self._size
        return self._at

    def tell(self) -> int:
        return self._at

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


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
