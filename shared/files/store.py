"""What every file store does, wherever its files are. Recordings come and go whole, by keys that it makes."""

import hashlib
import math
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import structlog

from shared.errors import StorageUnavailable, UploadStalled, UploadTooLarge

log = structlog.get_logger(__name__)


class Interrupted(Exception):
    """The caller of :meth:`FileStore.local` gave up."""


class FileDamaged(Exception):
    """A stored file is not the one that was uploaded: its size or SHA-256 differs."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A complete file in the store. ``key`` is its name there."""

    key: str
    size: int
    sha256: str


def new_key() -> str:
    """Make the key of a new file: 32 hexadecimal digits."""
    return secrets.token_hex(16)


def stalled() -> UploadStalled:
    """Make the error for a file that the sweeper deleted as an abandoned one."""
    return UploadStalled("The upload paused for too long. Send it again.")


class Incoming(ABC):
    """A file on its way in: blocks are appended, counted and hashed.

    Attributes:
        size: bytes written so far.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    @abstractmethod
    def is_open(self) -> bool:
        """Whether something is stored that :meth:`close` removes."""

    @property
    def sha256(self) -> str:
        """SHA-256 of what was written so far, in hexadecimal."""
        return self._hash.hexdigest()

    def write(self, block: bytes) -> None:
        """Append a block.

        Raises:
            UploadTooLarge: the file would exceed the size limit. Nothing of the block is written.
            StorageFull: there is no room for the block.
            StorageUnavailable: the storage does not answer.
            UploadStalled: the sweeper removed the partial file as an abandoned one.
        """
        self.size += len(block)
        if self.size > self._max_bytes:
            raise UploadTooLarge(
                f"The recording is larger than the limit of {self._max_bytes:,} bytes. "
                "Split it, or ask the operator to raise SHRUTLEKH_MAX_UPLOAD_BYTES."
            )
        self._append(block)

    @abstractmethod
    def close(self) -> None:
        """Remove what was written, unless it was committed. Idempotent."""

    @abstractmethod
    def _append(self, block: bytes) -> None:
        """Hash and write a block that is within the limit."""


class Upload(Incoming):
    """A file being written to the store."""

    @abstractmethod
    def commit(self, *, synced: bool = True) -> StoredFile:
        """Make the file a complete one of the store.

        Args:
            synced: whether to wait until it is durable. If false, :meth:`FileStore.sync` does so later.

        Raises:
            StorageFull, StorageUnavailable, UploadStalled: as :meth:`write`.
        """


class Spool(Incoming):
    """A file on local disk that is received, read and dropped."""

    @abstractmethod
    def reader(self) -> BinaryIO:
        """Open what was written so far for reading. It stays readable if the file is deleted meanwhile."""


class OpenFile(ABC):
    """A stored file, opened for reading in parts.

    Attributes:
        size: of the whole file in bytes.
        head: its first bytes.
    """

    size: int
    head: bytes

    @abstractmethod
    def blocks(self, first: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from ``first`` up to ``end`` in blocks. Each step may block.

        Raises:
            EOFError: the file became shorter meanwhile.
            FileNotFoundError: it was deleted meanwhile, and the store can't read it any more.
            StorageUnavailable: the storage does not answer.
        """

    @abstractmethod
    def close(self) -> None:
        """Close it. Ends iterators over its blocks."""


class FileStore(ABC):
    """Files by key.

    Every method may block, and raises StorageUnavailable if the storage is on other machines and does not
    answer or refuses access. A file counts as missing only if the storage says so.

    Attributes:
        is_remote: whether reading a file means copying it over the network.
    """

    is_remote: bool

    @abstractmethod
    def receive(self, max_bytes: int) -> Upload:
        """Start an upload of at most ``max_bytes``."""

    @abstractmethod
    def spool(self, max_bytes: int) -> Spool:
        """Start to receive a file of at most ``max_bytes`` that is not to be stored."""

    @abstractmethod
    def require_room(self, size: int) -> None:
        """Check that ``size`` more bytes fit.

        Raises:
            StorageFull: they do not fit.
        """

    @abstractmethod
    def check(self) -> None:
        """Check that uploads would be taken now.

        Raises:
            StorageFull: there is no room.
            OSError: the folder is not accessible.
        """

    @abstractmethod
    def place(self, key: str) -> str:
        """Return where the file is, for operators: a path or a URL."""

    @abstractmethod
    def missing(self, keys: Sequence[str]) -> set[str]:
        """Return the subset of the keys that have no complete file."""

    def exists(self, key: str) -> bool:
        """Return whether there is a complete file with this key."""
        return not self.missing([key])

    @abstractmethod
    def size(self, key: str) -> int:
        """Return the size of a file in bytes.

        Raises:
            FileNotFoundError: there is no such file.
        """

    @abstractmethod
    def open(self, key: str, head_bytes: int) -> OpenFile:
        """Open a file and read its first ``head_bytes``.

        Raises:
            FileNotFoundError: there is no such file.
        """

    @abstractmethod
    def local(
        self, stored: StoredFile, give_up: Callable[[], bool] = lambda: False
    ) -> AbstractContextManager[Path]:
        """Return a context manager: the file on this machine, a copy for the time of the block if need be.

        Args:
            stored: the file, with the size and SHA-256 that a copy must have.
            give_up: is asked again and again while the file is copied; if true, that ends.

        Raises:
            FileNotFoundError: there is no such file.
            FileDamaged: a copy differs from what was uploaded.
            StorageFull: the local disk has no room for the copy.
            Interrupted: ``give_up`` returned true.
        """

    @abstractmethod
    def touch(self, *keys: str) -> None:
        """Let files count as new in :meth:`keys`.

        Raises:
            UploadStalled: one was deleted as an abandoned one.
        """

    @abstractmethod
    def sync(self, keys: Sequence[str]) -> None:
        """Wait until files that were committed without it are durable.

        Raises:
            UploadStalled: one was deleted as an abandoned one.
            StorageFull: the disk is full.
        """

    @abstractmethod
    def delete(self, *keys: str) -> None:
        """Delete files. Does nothing about those that do not exist."""

    def discard(self, *keys: str) -> None:
        """Delete files if the storage answers. If not, log it: the caller's work is done all the same."""
        try:
            self.delete(*keys)
        except StorageUnavailable:
            log.warning("files_not_deleted", keys=keys[:10], files=len(keys))

    @abstractmethod
    def keys(self, older_than: float = math.inf) -> Iterator[str]:
        """Yield the keys of complete files last modified before ``older_than`` (Unix time)."""

    @abstractmethod
    def remove_partial(self, older_than: float) -> int:
        """Delete partial files that crashes left behind, last modified before ``older_than`` (Unix time).

        Returns:
            How many were deleted.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""
