"""A file object for FFmpeg over an open file, with guards against hostile files."""

import os
import re
from typing import Final

from speech.audio.structure import FilePart, behind_tags
from speech.errors import AudioUnreadable, AudioUnsupported

MAX_PASSES: Final = 32
"""A demuxer that has read the file this many times over is in a loop."""

_COMPRESSED_INDEX: Final = re.compile(rb"cmov.{4}dcom", re.DOTALL)
"""A zlib-compressed QuickTime index (QuickTime File Format, "Compressed Movie Resources"). FFmpeg allocates
the size that it claims: 900 MB for a file of 900 kB."""
_OVERLAP: Final = 11


class FileBytes:
    """A file object over a part of a file.

    C code calls its methods, so they must not raise: an error reads as the end of the file and is kept for
    `check`. Leading ID3 tags are skipped, because FFmpeg does not find the audio after a large picture.

    Attributes:
        begin: size of the skipped tags in bytes.
    """

    def __init__(self, file: FilePart) -> None:
        self.begin = behind_tags(file)
        self._file, self._size = file, max(file.size - self.begin, 0)
        self._place = 0
        self._budget = MAX_PASSES * file.size + 2**26
        self._failure: BaseException | None = None
        self._last = (0, b"")

    def read(self, size: int) -> bytes:
        if self._failure is not None:
            return b""
        try:
            content = self._file.read(self.begin + self._place, size)
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
        """Return whether a compressed index begins in the content just read."""
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
        """Raise the error that occurred while reading, so that disk errors do not count as damage."""
        if self._failure is not None:
            raise self._failure
