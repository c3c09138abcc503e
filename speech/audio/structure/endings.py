"""Tell whether a file was cut off, by what its own structure says should still follow.

Only for containers with such a structure. The readers detect the others by an incomplete last frame.
"""

import re
from typing import Final

from speech.audio.structure.file_part import FilePart
from speech.audio.structure.links import mp4_boxes
from speech.audio.structure.sample_data import find_samples

_OGG_TAIL: Final = 1 << 17
"""Bytes at the end in which the last Ogg page begins: two of the largest pages."""

_SEGMENT: Final = 0x18538067
_CLUSTER: Final = 0x1F43B675
_TS_PACKET: Final = 188

_MOST_BYTES: Final = 1 << 20
"""An element of audio that states more bytes is damaged."""

_ASF_SIZE: Final = re.compile(
    rb"\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\x00\xc0\x0c\x20\x53\x65.{24}(.{8})", re.DOTALL
)
"""The file properties object with the file's size (Advanced Systems Format, section 3.2)."""


def is_cut_off(file: FilePart) -> bool:
    """Return whether a recording ends before it should. False also where its format cannot tell."""
    head = file.read(0, 16)
    if samples := find_samples(file):
        return samples.stated is not None and samples.stated > samples.size
    if head.startswith(b"OggS"):
        return _ogg(file)
    if head.startswith(b"\x1aE\xdf\xa3"):
        return _matroska(file)
    if head[4:8] == b"ftyp":
        return any(end > file.size for _, _, end in mp4_boxes(file))
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return 8 + int.from_bytes(head[4:8], "little") > file.size
    if head.startswith(b"\x30\x26\xb2\x75"):
        found = _ASF_SIZE.search(file.read(0, 1 << 16))
        return found is not None and int.from_bytes(found[1], "little") > file.size
    if head.startswith(b"FLV"):
        return _flv(file)
    if head.startswith(b"G"):
        return file.read(_TS_PACKET, 1) == b"G" and file.size % _TS_PACKET != 0
    return False


def _ogg(file: FilePart) -> bool:
    """Return whether the last page is incomplete, or does not end its stream (RFC 3533, section 6)."""
    page = _last_page(file)
    if len(page) < 27 or len(page) < 27 + page[26]:
        return True
    return _page_bytes(page) > len(page) or not page[5] & 4


def has_damaged_last_page(file: FilePart) -> bool:
    """Return whether the checksum of the last Ogg page is wrong. Readers leave out such a page."""
    page = _last_page(file)
    page = page[: _page_bytes(page)]
    stated = int.from_bytes(page[22:26], "little")
    return _ogg_checksum(page[:22] + bytes(4) + page[26:]) != stated


def _last_page(file: FilePart) -> bytes:
    """Return the end of an Ogg file from the beginning of its last page on; empty if there is none."""
    tail = file.read(max(file.size - _OGG_TAIL, 0), _OGG_TAIL)
    place = tail.rfind(b"OggS")
    return tail[place:] if place >= 0 else b""


def _page_bytes(page: bytes) -> int:
    return 27 + page[26] + sum(page[27 : 27 + page[26]])


def _ogg_checksum(data: bytes) -> int:
    """Return the CRC-32 with the polynomial 0x04C11DB7, most significant bit first, from 0."""
    value = 0
    for byte in data:
        value = (value << 8 & 0xFFFFFFFF) ^ _CHECKSUMS[value >> 24 ^ byte]
    return value


def _checksum_of(byte: int) -> int:
    value = byte << 24
    for _ in range(8):
        value = value << 1 ^ (0x104C11DB7 if value & 1 << 31 else 0)
    return value


_CHECKSUMS: Final = tuple(map(_checksum_of, range(256)))


def _matroska(file: FilePart) -> bool:
    """Return whether an element should go on behind the end (RFC 8794, section 4 to 6)."""
    place = 0
    while place < file.size:
        head = file.read(place, 12)
        kind, width = _vint(head, keep_marker=True)
        length, more = _vint(head[width:], keep_marker=False)
        if not width or not more:
            return len(head) < 12  # the end within a header, or damage
        place += width + more
        is_unknown = length == (1 << 7 * more) - 1
        if not is_unknown and place + length > file.size:
            return kind in (_SEGMENT, _CLUSTER) or length <= _MOST_BYTES
        if kind not in (_SEGMENT, _CLUSTER):
            if is_unknown:
                return False
            place += length
        elif kind == _CLUSTER and not is_unknown:
            place += length
    return False


def _vint(data: bytes, *, keep_marker: bool) -> tuple[int, int]:
    """Return a variable-size integer and its width in bytes; width 0 if there is none."""
    width = 9 - data[0].bit_length() if data and data[0] else 0
    if not width or len(data) < width:
        return 0, 0
    value = int.from_bytes(data[:width], "big")
    return (value if keep_marker else value & (1 << 7 * width) - 1), width


def _flv(file: FilePart) -> bool:
    """Return whether the last tag is incomplete (Adobe Flash Video File Format, section E.3)."""
    place = 13
    while place < file.size:
        head = file.read(place, 4)
        if len(head) < 4:
            return True
        size = 11 + int.from_bytes(head[1:], "big")
        if place + size + 4 > file.size:
            return size <= _MOST_BYTES
        if int.from_bytes(file.read(place + size, 4), "big") != size:
            return False  # damage
        place += size + 4
    return False
