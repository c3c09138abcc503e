"""The bytes of a recording, hashed at most once in a run."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from shrutlekh.errors import RecordingUnreadable


class Fingerprint(NamedTuple):
    """What tells whether a file still has the same bytes: size, modification time and SHA-256 digest."""

    size: int
    modified_ns: int
    sha256: str

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what :meth:`json` returned.

        Raises:
            KeyError, TypeError, ValueError: an entry is missing or invalid.
        """
        return cls(int(document["bytes"]), int(document["modified_ns"]), str(document["sha256"]))

    def json(self) -> dict[str, Any]:
        """Return the fingerprint as plain values."""
        return {"bytes": self.size, "modified_ns": self.modified_ns, "sha256": self.sha256}


class Content:
    """The content of a recording's file. Its digest is computed when it is first needed, and kept.

    Every method raises RecordingUnreadable if the file cannot be read.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._stamp: tuple[int, int] | None = None
        self._sha256: str | None = None

    @property
    def size(self) -> int:
        """Size in bytes when the file was first examined."""
        return self._examined()[0]

    @property
    def modified_ns(self) -> int:
        """Modification time, in nanoseconds, when the file was first examined."""
        return self._examined()[1]

    def sha256(self) -> str:
        """Return the SHA-256 digest in hexadecimal."""
        if self._sha256 is None:
            self._examined()  # first, so that a change during the hashing shows as a newer time
            try:
                with self._path.open("rb") as file:
                    self._sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise _unreadable(error) from error
        return self._sha256

    def is_same_as(self, earlier: Fingerprint) -> bool:
        """Return whether the file still has those bytes.

        Equal size and modification time are enough, so that a large recording need not be read again.
        """
        if (self.size, self.modified_ns) == earlier[:2]:
            self._sha256 = earlier.sha256
            return True
        return self.has(earlier.size, earlier.sha256)

    def has(self, size: int, sha256: str) -> bool:
        """Return whether the file has this size and digest. It is read only if the size is right."""
        return self.size == size and self.sha256() == sha256

    def _examined(self) -> tuple[int, int]:
        if self._stamp is None:
            try:
                status = self._path.stat()
            except OSError as error:
                raise _unreadable(error) from error
            self._stamp = status.st_size, status.st_mtime_ns
        return self._stamp


def _unreadable(error: OSError) -> RecordingUnreadable:
    return RecordingUnreadable(f"The file cannot be read: {error.strerror or error}.")
