"""The file store for recordings: a folder of server-named files, each stored completely or not at all."""

import errno
import hashlib
import math
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from shared.errors import StorageFull, UploadStalled, UploadTooLarge

PARTIAL = ".part"
SYNCS = 8
DISK_FULL = "The server has no disk space for this recording. Contact the operator."


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A complete file in the store. ``key`` is its name there."""

    key: str
    size: int
    sha256: str


class Upload:
    """A file being written to the store. The first block, or :meth:`commit`, creates it on disk."""

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
        """Whether there is a partial file, which :meth:`close` removes."""
        return self._file is not None

    @property
    def sha256(self) -> str:
        """SHA-256 of what was written so far, in hexadecimal."""
        return self._hash.hexdigest()

    def reader(self) -> BinaryIO:
        """Open what was written so far for reading. It stays readable if the file is deleted meanwhile."""
        self._opened()
        return self._partial.open("rb")

    def write(self, block: bytes) -> None:
        """Append a block.

        Raises:
            UploadTooLarge: the file would exceed the size limit. Nothing of the block is written.
            StorageFull: the block would eat into the disk reserve.
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
        with _translated_errors():
            file = self._opened()
            while rest:
                rest = rest[file.write(rest) :]

    def commit(self, *, synced: bool = True) -> StoredFile:
        """Flush the file to disk and rename it to its final path.

        Args:
            synced: whether to wait for the disk. If false, :meth:`FileStore.sync` does so later.

        Raises:
            StorageFull: the disk is full.
            UploadStalled: the sweeper removed the partial file as an abandoned one.
        """
        with _translated_errors():
            file = self._opened()
            if synced:
                os.fsync(file.fileno())
            file.close()
            try:
                self._partial.rename(self._store.path(self._key))
            except FileNotFoundError as error:
                raise UploadStalled("The upload paused for too long. Send the recording again.") from error
        self._file = None
        return StoredFile(self._key, self.size, self._hash.hexdigest())

    def close(self) -> None:
        """Delete the partial file, unless it was committed. Idempotent."""
        if self._file is not None:
            self._file.close()
            self._partial.unlink(missing_ok=True)
            self._file = None

    def _opened(self) -> FileIO:
        if self._file is None:
            self._partial.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: the blocks are large, and close() must not repeat a write that failed.
            self._file = self._partial.open("xb", buffering=0)
        return self._file


class FileStore:
    """Files by key under a root folder, spread over 256 subfolders.

    Uploads leave ``reserve_bytes`` of the disk free, short by at most one block per concurrent upload.
    """

    def __init__(self, root: Path, reserve_bytes: int = 0) -> None:
        self.root = root
        self._reserve_bytes = reserve_bytes

    def path(self, key: str) -> Path:
        """Return the path of the file with this key. The store makes the keys, clients never do."""
        return self.root / key[:2] / key

    def receive(self, max_bytes: int) -> Upload:
        """Start an upload of at most ``max_bytes``."""
        return Upload(self, max_bytes)

    def require_room(self, size: int) -> None:
        """Check that ``size`` more bytes fit on the disk without eating into the reserve.

        Raises:
            StorageFull: they do not fit.
        """
        with _translated_errors():
            self.root.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self.root).free < self._reserve_bytes + size:
            raise StorageFull(DISK_FULL)

    def touch(self, key: str) -> None:
        """Let a file count as new in :meth:`keys`.

        Raises:
            UploadStalled: it was deleted as an abandoned one.
        """
        try:
            os.utime(self.path(key))
        except FileNotFoundError as error:
            raise UploadStalled("The upload paused for too long. Send the recordings again.") from error

    def sync(self, keys: Sequence[str]) -> None:
        """Wait until files that were committed without it are on the disk.

        Several at a time: the file system then writes its journal once for all of them.

        Raises:
            UploadStalled: one was deleted as an abandoned one.
            StorageFull: the disk is full.
        """
        with ThreadPoolExecutor(SYNCS) as pool:
            for _ in pool.map(self._sync, keys):
                pass

    def delete(self, key: str) -> None:
        """Delete a file. Does nothing if it does not exist."""
        self.path(key).unlink(missing_ok=True)

    def keys(self, older_than: float = math.inf) -> Iterator[str]:
        """Yield the keys of complete files last modified before ``older_than`` (Unix time)."""
        for entry in self._entries(older_than):
            if not entry.name.endswith(PARTIAL):
                yield entry.name

    def remove_partial(self, older_than: float) -> int:
        """Delete partial files that crashes left behind, last modified before ``older_than`` (Unix time).

        Returns:
            How many were deleted.
        """
        removed = 0
        for entry in self._entries(older_than):
            if entry.name.endswith(PARTIAL):
                Path(entry.path).unlink(missing_ok=True)
                removed += 1
        return removed

    def _sync(self, key: str) -> None:
        self.touch(key)
        with _translated_errors(), self.path(key).open("rb") as file:
            os.fsync(file.fileno())

    def _entries(self, older_than: float) -> Iterator["os.DirEntry[str]"]:
        """Yield the files folder by folder, so that memory does not grow with their number."""
        for folder in self.root.glob("??"):
            with os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):
                        if entry.is_file() and entry.stat().st_mtime < older_than:
                            yield entry


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Turn the operating system's disk-full and quota errors into StorageFull."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(DISK_FULL) from error
        raise
