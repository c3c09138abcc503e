"""A range of bytes of an open file: a whole recording, or one of several in the file."""

import os
from collections.abc import Iterator
from typing import Final

_WINDOW: Final = 1 << 20


class FilePart:
    """The bytes from `begin` to `end` of the descriptor `fd`, which the caller owns.

    Offsets count from `begin`.

    Attributes:
        size: in bytes.
    """

    def __init__(self, fd: int, begin: int, end: int) -> None:
        self.fd, self.begin, self.end = fd, begin, end
        self.size = max(end - begin, 0)

    def read(self, offset: int, count: int) -> bytes:
        """Return up to `count` bytes from `offset` on; fewer at the end.

        Raises:
            OSError: the file cannot be read.
        """
        return os.pread(self.fd, max(min(count, self.size - offset), 0), self.begin + offset)

    def find(self, what: bytes, offset: int = 0) -> Iterator[int]:
        """Yield the offsets of a byte string. Reads in windows, which survive a file that shrinks."""
        while offset < self.size:
            window = self.read(offset, _WINDOW + len(what) - 1)
            place = window.find(what)
            while place >= 0:
                yield offset + place
                place = window.find(what, place + 1)
            offset += _WINDOW
