"""Find the samples in files that store them plainly (WAV, AIFF, AU, CAF, W64), and check their stated length.

libsndfile believes the stated length if the file is longer, and silently shortens it if the file is shorter.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from speech.audio.structure.file_part import FilePart

MAGICS: Final = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b".snd", b"dns.", b"caff")
"""First bytes of the formats that this module knows."""

Order = Literal["little", "big"]

_PLACEHOLDER: Final = 0x7FFF_0000
"""Sizes from here on, in 32 bits, are what recorders write who do not know the length yet."""

_LEFT_OVER_BYTES: Final = 8_192
"""If more bytes than this follow the samples and are not chunks, they are samples too."""

_MAX_CHUNKS: Final = 1_000


@dataclass(frozen=True, slots=True)
class SampleData:
    """Where the samples are.

    Attributes:
        begin: offset of the first sample.
        stated: their size in bytes by the header; None if it does not know.
        size: their size in bytes as far as the file goes.
        patches: bytes to replace by offset, so that the header states `size`; empty if it need not change.
    """

    begin: int
    stated: int | None
    size: int
    patches: tuple[tuple[int, bytes], ...] = ()


def find_samples(file: FilePart) -> SampleData | None:
    """Return where the samples are; None if the header is of no known format or damaged."""
    head = file.read(0, 64)
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return _riff(file, "little")
    if head[:4] == b"RIFX" and head[8:12] == b"WAVE":
        return _riff(file, "big")
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _aiff(file)
    if head[:4] in (b".snd", b"dns."):
        order: Order = "big" if head.startswith(b".") else "little"
        return _placed(file, int.from_bytes(head[4:8], order), 8, 4, order, 0)
    if head[:4] == b"caff":
        return _caf(file)
    if head[:4] == b"riff":
        return _w64(file)
    return None


def _riff(file: FilePart, order: Order) -> SampleData | None:
    long_size = 0
    for name, begin in _chunks(file, 12, 4, 4, order, align=2):
        if name == b"ds64":
            long_size = int.from_bytes(file.read(begin + 8, 8), order)
        if name == b"data":
            if long_size:
                return _placed(file, begin, 28, 8, order, 0)  # ds64 is the first chunk
            return _placed(file, begin, begin - 4, 4, order, 0)
    return None


def _aiff(file: FilePart) -> SampleData | None:
    for name, begin in _chunks(file, 12, 4, 4, "big", align=2):
        if name == b"SSND":
            return _placed(file, begin + 8, begin - 4, 4, "big", 8)
    return None


def _caf(file: FilePart) -> SampleData | None:
    for name, begin in _chunks(file, 8, 4, 8, "big"):
        if name == b"data":
            return _placed(file, begin + 4, begin - 8, 8, "big", 4)
    return None


def _w64(file: FilePart) -> SampleData | None:
    for name, begin in _chunks(file, 40, 16, 8, "little", align=8, counted=24):
        if name.startswith(b"data"):
            return _placed(file, begin, begin - 8, 8, "little", 24)
    return None


def _chunks(
    file: FilePart,
    place: int,
    name_bytes: int,
    size_bytes: int,
    order: Order,
    align: int = 1,
    counted: int = 0,
) -> Iterator[tuple[bytes, int]]:
    """Yield name and offset of the content of each chunk from `place` on.

    Args:
        name_bytes, size_bytes: widths of the two fields of a chunk's header.
        align: the next chunk begins at a multiple of this after the content.
        counted: bytes of the header that the size includes.
    """
    for _ in range(_MAX_CHUNKS):
        head = file.read(place, name_bytes + size_bytes)
        if len(head) < name_bytes + size_bytes:
            return
        size = int.from_bytes(head[name_bytes:], order) - counted
        begin = place + len(head)
        yield head[:name_bytes], begin
        if size < 0:
            return
        place = begin + size + -size % align


def _placed(file: FilePart, begin: int, field: int, width: int, order: Order, extra: int) -> SampleData:
    """Compare the stated size with what is there.

    Args:
        begin: offset of the first sample.
        field: offset of the size field, `width` bytes wide, which counts `extra` bytes beside the samples.
    """
    stated = max(int.from_bytes(file.read(field, width), order) - extra, 0)
    there = max(file.size - begin, 0)
    unknown = _PLACEHOLDER if width == 4 else 1 << 62
    if stated >= unknown - extra:
        return SampleData(begin, None, there)
    if stated >= there or not _is_sound(file, begin + stated):
        return SampleData(begin, stated, min(stated, there))
    size = min(there, unknown - 1)
    return SampleData(begin, stated, size, ((field, (size + extra).to_bytes(width, order)),))


def _is_sound(file: FilePart, place: int) -> bool:
    """Return whether what follows the stated end are samples, rather than chunks or a little junk."""
    beginning = file.read(place, _LEFT_OVER_BYTES)
    if file.size - place <= _LEFT_OVER_BYTES or not any(beginning) or beginning.startswith(b"ID3"):
        return False
    for _ in range(_MAX_CHUNKS):
        place += place % 2
        head = file.read(place, 8)
        if len(head) < 8:
            return False
        if not re.match(rb"[A-Za-z0-9 _\xa9(-]{4}", head):
            return True
        size = min(int.from_bytes(head[4:], "little"), int.from_bytes(head[4:], "big"))
        if size > file.size - place:
            return True
        place += 8 + size
    return False


class PatchedFile:
    """A file object over a part of a file with some bytes replaced, for libsndfile's virtual input."""

    def __init__(self, file: FilePart, patches: tuple[tuple[int, bytes], ...]) -> None:
        self._file, self._patches = file, patches
        self._place = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self._place = max((0, self._place, self._file.size)[whence] + offset, 0)
        return self._place

    def tell(self) -> int:
        return self._place

    def read(self, count: int = -1) -> bytes:
        content = self._file.read(self._place, self._file.size if count < 0 else count)
        for offset, replaced in self._patches:
            low, high = max(offset, self._place), min(offset + len(replaced), self._place + len(content))
            if low < high:
                begin = low - self._place
                middle = replaced[low - offset : high - offset]
                content = content[:begin] + middle + content[begin + len(middle) :]
        self._place += len(content)
        return content

    def readinto(self, buffer: memoryview) -> int:
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)
