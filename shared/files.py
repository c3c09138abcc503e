"""Where recordings lie: a folder of server-named files, written whole or not at all."""

import errno
import hashlib
import math
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from shared.errors import StorageFull, UploadStalled, UploadTooLarge

PARTIAL = ".part"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that lies whole in the store; ``key`` is its name there."""

    key: str
    size: int
    sha256: str


class Upload:
    """A file on its way into the store, opened by its first block or by :meth:`commit`.

    As a context manager it is discarded at the end of the block unless it was committed.
    """

    def __init__(self, store: "FileStore", max_bytes: int) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._hash = hashlib.sha256()
        self._key = secrets.token_hex(16)
        self._partial = store.path(self._key).with_suffix(PARTIAL)
        self._file: FileIO | None = None
        self.size = 0

    @property
    def is_open(self) -> bool:
        """True while there is something to discard."""
        return self._file is not None

    def write(self, block: bytes) -> None:
        """Append a block.

        Raises:
            UploadTooLarge: the file would pass the size limit; nothing of the block is written.
            StorageFull: the disk has no room.
        """
        self.size += len(block)
        if self.size > self._max_bytes:
            raise UploadTooLarge(
                f"The recording is larger than the limit of {self._max_bytes:,} bytes. "
                "Split it, or ask the operator to raise SHRUTLEKH_MAX_UPLOAD_BYTES."
            )
        self._store.require_room(len(block))
        self._hash.update(block)
        rest = memoryview(block)
        with _disk_full_named():
            file = self._opened()
            while rest:
                rest = rest[file.write(rest) :]

    def commit(self) -> StoredFile:
        """Force the bytes to the disk and give the file its place in the store.

        Raises:
            StorageFull: the disk has no room.
            UploadStalled: it was removed as a crash's leftover while it waited for more.
        """
        with _disk_full_named():
            file = self._opened()
            os.fsync(file.fileno())
            file.close()
            try:
                self._partial.rename(self._store.path(self._key))
            except FileNotFoundError as error:
                raise UploadStalled("The upload paused for too long. Send the recording again.") from error
        self._file = None
        return StoredFile(self._key, self.size, self._hash.hexdigest())

    def discard(self) -> None:
        """Remove what was written, unless it was committed. May be called twice."""
        if self._file is not None:
            self._file.close()
            self._partial.unlink(missing_ok=True)
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()

    def _opened(self) -> FileIO:
        if self._file is None:
            self._partial.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: the blocks are large, and a failed write must not be tried again at close.
            self._file = self._partial.open("xb", buffering=0)
        return self._file


class FileStore:
    """Files by key under a root folder, spread over 256 sub-folders.

    Uploads leave ``reserve_bytes`` of the disk free, or a block less for each that is written at the moment.
    """

    def __init__(self, root: Path, reserve_bytes: int = 0) -> None:
        self.root = root
        self._reserve_bytes = reserve_bytes

    def path(self, key: str) -> Path:
        """Where the file with this key lies. Keys are made by the store, never by a client."""
        return self.root / key[:2] / key

    def receive(self, max_bytes: int) -> Upload:
        """Begin to store a file of at most ``max_bytes``."""
        return Upload(self, max_bytes)

    def require_room(self, size: int) -> None:
        """Refuse ``size`` more bytes that would eat into the reserve.

        Raises:
            StorageFull: they would.
        """
        with _disk_full_named():
            self.root.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self.root).free < self._reserve_bytes + size:
            raise StorageFull("The server has no room for this recording. Tell its operator.")

    def delete(self, key: str) -> None:
        """Remove a file; one that is gone already is no error."""
        self.path(key).unlink(missing_ok=True)

    def keys(self, older_than: float = math.inf) -> Iterator[str]:
        """The keys of the whole files that were last written before ``older_than`` (Unix time)."""
        for entry in self._entries(older_than):
            if not entry.name.endswith(PARTIAL):
                yield entry.name

    def remove_partial(self, older_than: float) -> int:
        """Remove what a crash left of uploads, last written before ``older_than`` (Unix time)."""
        removed = 0
        for entry in self._entries(older_than):
            if entry.name.endswith(PARTIAL):
                Path(entry.path).unlink(missing_ok=True)
                removed += 1
        return removed

    def _entries(self, older_than: float) -> Iterator["os.DirEntry[str]"]:
        """Files, a folder at a time: memory does not grow with their number."""
        for folder in self.root.glob("??"):
            with os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):
                        if entry.is_file() and entry.stat().st_mtime < older_than:
                            yield entry


@contextmanager
def _disk_full_named() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("The server has no room for this recording. Tell its operator.") from error
        raise
