"""The bytes of an open file, as FFmpeg asks for them."""

import os
import re
from typing import Final

from speech.errors import AudioUnreadable, AudioUnsupported

MAX_PASSES: Final = 32
"""A demuxer that has read a file so often is in a loop."""
MAX_TAGS: Final = 8

_COMPRESSED_INDEX: Final = re.compile(rb"cmov.{4}dcom", re.DOTALL)
"""A QuickTime index packed by zlib (QuickTime File Format, "Compressed Movie Resources"). FFmpeg would unpack
as much as it claims at once: 900 MB from a file of 900 kB."""
_OVERLAP: Final = 11


class FileBytes:
    """A file object over a descriptor that is somebody else's.

    Its methods are called from C, through which no exception should pass: what goes wrong reads as the end of
    the file, and is kept for `check`. ID3 tags in front are left out: behind a large picture FFmpeg would not
    look for the sound.

    Attributes:
        begin: bytes of the tags.
    """

    def __init__(self, fd: int, size: int) -> None:
        self.begin = _behind_tags(fd)
        self._fd, self._size = fd, max(size - self.begin, 0)
        self._place = 0
        self._budget = MAX_PASSES * size + 2**26
        self._failure: BaseException | None = None
        self._last = (0, b"")

    def read(self, size: int) -> bytes:
        if self._failure is not None:
            return b""
        try:
            content = os.pread(self._fd, size, self.begin + self._place)
        except BaseException as error:  # noqa: BLE001 - raised again by check()
            self._failure = error
            return b""
        self._place += len(content)
        self._budget -= len(content)
        if self._budget < 0:
            self._failure = AudioUnreadable("The recording is damaged: its index goes in circles.")
        if self._is_packed(content):
            self._failure = AudioUnsupported(
                "The recording's index is compressed, which is not read. Convert it to M4A, WAV or FLAC."
            )
        return b"" if self._failure is not None else content

    def _is_packed(self, content: bytes) -> bool:
        """Whether a compressed index begins in what was read just now."""
        end, tail = self._last
        joined = tail + content if end == self._place - len(content) else content
        self._last = self._place, joined[-_OVERLAP:]
        return b"dcom" in joined and _COMPRESSED_INDEX.search(joined) is not None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(base + offset, 0)
        return self._place

    def tell(self) -> int:
        return self._place

    def check(self) -> None:
        """Raises what went wrong while reading: an error of the disk is none of the recording."""
        if self._failure is not None:
            raise self._failure


def _behind_tags(fd: int) -> int:
    """Where the file begins behind its ID3v2 tags (id3.org, "ID3 tag version 2.4.0", section 3.1)."""
    begin = 0
    for _ in range(MAX_TAGS):
        head = os.pread(fd, 10, begin)
        if len(head) < 10 or not head.startswith(b"ID3") or max(head[6:]) > 127:
            break
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        begin += 10 + size + (10 if head[5] & 0x10 else 0)
    return begin
