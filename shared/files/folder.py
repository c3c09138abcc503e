"""The file store in a folder: server-named files, each stored completely or not at all."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from shared.files.disk import require_disk_room, translated_disk_errors
from shared.files.store import FileStore, OpenFile, Spool, StoredFile, Upload, new_key, stalled

PARTIAL = ".part"
SYNCS = 8
BLOCK_BYTES = 256 * 1024


class FolderUpload(Upload, Spool):
    """A file being written to the folder. The first block, or :meth:`commit`, creates it on disk."""

    def __init__(self, store: "FolderStore", max_bytes: int) -> None:
        super().__init__(max_bytes)
        self._store = store
        self._key = new_key()
        self._partial = store.path(self._key).with_suffix(PARTIAL)
        self._file: FileIO | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a partial file, which :meth:`close` removes."""
        return self._file is not None

    def reader(self) -> BinaryIO:
        """Open what was written so far for reading. It stays readable if the file is deleted meanwhile."""
        self._opened()
        return self._partial.open("rb")

    def commit(self, *, synced: bool = True) -> StoredFile:
        """Flush the file to disk and rename it to its final path. Raises as :meth:`Upload.commit`."""
        with translated_disk_errors():
            file = self._opened()
            if synced:
                os.fsync(file.fileno())
            file.close()
            try:
                self._partial.rename(self._store.path(self._key))
            except FileNotFoundError as error:
                raise stalled() from error
        self._file = None
        return StoredFile(self._key, self.size, self._hash.hexdigest())

    def close(self) -> None:
        """Delete the partial file, unless it was committed. Idempotent."""
        if self._file is not None:
            self._file.close()
            self._partial.unlink(missing_ok=True)
            self._file = None

    def _append(self, block: bytes) -> None:
        self._store.require_room(len(block))
        self._hash.update(block)
        rest = memoryview(block)
        with translated_disk_errors():
            file = self._opened()
            while rest:
                rest = rest[file.write(rest) :]

    def _opened(self) -> FileIO:
        if self._file is None:
            self._partial.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: the blocks are large, and close() must not repeat a write that failed.
            self._file = self._partial.open("xb", buffering=0)
        return self._file


class FolderFile(OpenFile):
    """An open file of the folder. It stays readable if it is deleted."""

    def __init__(self, file: BinaryIO, head_bytes: int) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size
        self.head = os.pread(file.fileno(), head_bytes, 0)

    def blocks(self, first: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from ``first`` up to ``end``. Raises as :meth:`OpenFile.blocks`."""
        while first < end:
            block = os.pread(self._file.fileno(), min(BLOCK_BYTES, end - first), first)
            if not block:
                raise EOFError("The file became shorter while it was read.")
            first += len(block)
            yield block

    def close(self) -> None:
        """Close it."""
        self._file.close()


class FolderStore(FileStore):
    """Files by key under a root folder, spread over 256 subfolders.

    Uploads leave ``reserve_bytes`` of the disk free, short by at most one block per concurrent upload.
    """

    is_remote = False

    def __init__(self, root: Path, reserve_bytes: int = 0) -> None:
        self.root = root
        self._reserve_bytes = reserve_bytes

    def path(self, key: str) -> Path:
        """Return the path of the file with this key. The store makes the keys, clients never do."""
        return self.root / key[:2] / key

    def receive(self, max_bytes: int) -> Upload:
        """Start an upload of at most ``max_bytes``."""
        return FolderUpload(self, max_bytes)

    def spool(self, max_bytes: int) -> Spool:
        """Start to receive a file of at most ``max_bytes`` that is not to be stored."""
        return FolderUpload(self, max_bytes)

    def require_room(self, size: int) -> None:
        """Check that ``size`` more bytes fit on the disk without eating into the reserve.

        Raises:
            StorageFull: they do not fit.
        """
        require_disk_room(self.root, size, self._reserve_bytes)

    def check(self) -> None:
        """Check that the disk has room beyond the reserve. Raises as :meth:`FileStore.check`."""
        self.require_room(0)

    def place(self, key: str) -> str:
        """Return the path of a file."""
        return str(self.path(key))

    def missing(self, keys: Sequence[str]) -> set[str]:
        """Return the subset of the keys that have no complete file."""
        return {key for key in keys if not self.path(key).is_file()}

    def size(self, key: str) -> int:
        """Return the size of a file in bytes. Raises as :meth:`FileStore.size`."""
        return self.path(key).stat().st_size

    def open(self, key: str, head_bytes: int) -> OpenFile:
        """Open a file. Raises as :meth:`FileStore.open`."""
        return FolderFile(self.path(key).open("rb"), head_bytes)

    @contextmanager
    def local(self, stored: StoredFile, give_up: Callable[[], bool] = lambda: False) -> Iterator[Path]:  # noqa: ARG002
        """Yield the path of the file itself. Raises FileNotFoundError as :meth:`FileStore.local`."""
        path = self.path(stored.key)
        if not path.is_file():
            raise FileNotFoundError(f"There is no file {path}.")
        yield path

    def touch(self, *keys: str) -> None:
        """Let files count as new in :meth:`keys`. Raises as :meth:`FileStore.touch`."""
        for key in keys:
            try:
                os.utime(self.path(key))
            except FileNotFoundError as error:
                raise stalled() from error

    def sync(self, keys: Sequence[str]) -> None:
        """Wait until files that were committed without it are on the disk. Raises as :meth:`FileStore.sync`.

        Several at a time: the file system then writes its journal once for all of them.
        """
        with ThreadPoolExecutor(SYNCS) as pool:
            for _ in pool.map(self._sync, keys):
                pass

    def delete(self, *keys: str) -> None:
        """Delete files. Does nothing about those that do not exist."""
        for key in keys:
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

    def close(self) -> None:
        """Do nothing: there are no connections."""

    def _sync(self, key: str) -> None:
        self.touch(key)
        with translated_disk_errors(), self.path(key).open("rb") as file:
            os.fsync(file.fileno())

    def _entries(self, older_than: float) -> Iterator["os.DirEntry[str]"]:
        """Yield the files folder by folder, so that memory does not grow with their number."""
        for folder in self.root.glob("??"):
            with os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):
                        if entry.is_file() and entry.stat().st_mtime < older_than:
                            yield entry
