"""Zip files made byte by byte, so that they can be hostile in every place."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

UTF8 = 0x800


@dataclass(frozen=True)
class Entry:
    """A member. What is None follows from the rest; what is not may be a lie."""

    name: str | bytes
    data: bytes = b"RIFF audio"
    method: int = 8
    flags: int | None = None
    size: int | None = None  # in the directory
    packed: bytes | None = None
    packed_size: int | None = None  # in the directory
    crc: int | None = None
    mode: int = 0o100644
    extra: bytes = b""
    local_name: bytes | None = None
    offset: int | None = None
    signature: bytes = b"PK\x03\x04"
    version: int = 20

    @property
    def raw(self) -> bytes:
        return self.name.encode() if isinstance(self.name, str) else self.name

    @property
    def content(self) -> bytes:
        if self.packed is not None:
            return self.packed
        return deflated(self.data) if self.method == 8 else self.data

    def head(self) -> bytes:
        """The fields that the local header and the directory share, from the version to the sizes."""
        flags = (0 if self.raw.isascii() else UTF8) if self.flags is None else self.flags
        return struct.pack(
            "<5H3L",
            self.version,
            flags,
            self.method,
            0,
            0x5821,
            zlib.crc32(self.data) if self.crc is None else self.crc,
            len(self.content) if self.packed_size is None else self.packed_size,
            len(self.data) if self.size is None else self.size,
        )


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(data) + packer.flush()


def zip_of(
    *entries: Entry | str,
    comment: bytes = b"",
    before: bytes = b"",
    after: bytes = b"",
    listed: int | None = None,
    directory_size: int | None = None,
    directory_offset: int | None = None,
    disk: int = 0,
    zip64: bool = False,
) -> bytes:
    """Make a zip file. ``listed``, ``directory_size`` and so on are what its end says, true or not."""
    out = bytearray(before)
    members = [entry if isinstance(entry, Entry) else Entry(entry) for entry in entries]
    offsets: list[int] = []
    for entry in members:
        offsets.append(len(out) if entry.offset is None else entry.offset)
        if entry.offset is not None:
            continue  # only listed: it shares the bytes of another
        name = entry.raw if entry.local_name is None else entry.local_name
        out += entry.signature + entry.head() + struct.pack("<2H", len(name), 0) + name + entry.content
    return bytes(out) + _end_of(
        members, offsets, len(out), comment, after, listed, directory_size, directory_offset, disk, zip64
    )


def _end_of(
    members: Sequence[Entry],
    offsets: Sequence[int],
    start: int,
    comment: bytes,
    after: bytes,
    listed: int | None,
    directory_size: int | None,
    directory_offset: int | None,
    disk: int,
    zip64: bool,
) -> bytes:
    directory = b"".join(
        b"PK\x01\x02"
        + struct.pack("<H", 0x0314)
        + entry.head()
        + struct.pack("<3H2H2L", len(entry.raw), len(entry.extra), 0, 0, 0, entry.mode << 16, offset)
        + entry.raw
        + entry.extra
        for entry, offset in zip(members, offsets, strict=True)
    )
    count = len(members) if listed is None else listed
    size = len(directory) if directory_size is None else directory_size
    offset = start if directory_offset is None else directory_offset
    records = b""
    if zip64:
        records = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, offset)
        records += struct.pack("<4sLQL", b"PK\x06\x07", 0, start + len(directory), 1)
        count, size, offset = 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF
    end = struct.pack(
        "<4s4H2LH", b"PK\x05\x06", disk, disk, count & 0xFFFF, count & 0xFFFF, size, offset, len(comment)
    )
    return directory + records + end + comment + after
