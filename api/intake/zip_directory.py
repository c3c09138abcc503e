"""Checks of a zip file's structure, made before and beside :mod:`zipfile`, which trusts the file in places.

``zipfile`` reads the whole directory into memory, however large; takes the directory's word for where members
are, so that a thousand of them can share the same compressed bytes (Fifield 2019, "A better zip bomb"); and
skips what is before the first member or behind the end. Offsets and sizes below are bytes.
"""

import struct
from collections.abc import Sequence
from typing import BinaryIO, NamedTuple
from zipfile import ZipInfo

from shared.errors import ArchiveInvalid, BatchTooLarge

# Names, times and attributes of a member take about 100 bytes in the directory. Longer ones are no names.
MOST_BYTES_A_MEMBER = 4096

_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_LOCATOR = struct.Struct("<4sLQL")
_LOCATOR_SIGNATURE = b"PK\x06\x07"
_END64 = struct.Struct("<4sQ2H2L4Q")
_END64_SIGNATURE = b"PK\x06\x06"
_ENTRY = struct.Struct("<4s24x3H12x")
_ENTRY_SIGNATURE = b"PK\x01\x02"
_LOCAL = struct.Struct("<4s22x2H")
_LOCAL_SIGNATURE = b"PK\x03\x04"
_LONGEST_COMMENT = 2**16 - 1


class Directory(NamedTuple):
    """Where the directory of a zip file is, and how many members it lists."""

    start: int
    size: int
    members: int


def find_directory(file: BinaryIO, size: int, most_members: int) -> Directory:
    """Find the directory of a zip file of ``size`` bytes, and walk it without keeping it in memory.

    Raises:
        ArchiveInvalid: the file is not a zip file, is damaged or truncated, has several parts, or has other
            data before or behind it.
        BatchTooLarge: it lists more members than ``most_members``, counted here: the file may lie.
    """
    end_at, end = _find_end(file, size)
    _, disk, first_disk, here, members, length, offset, _comment = end
    records_at = end_at
    zip64 = _read_end64(file, end_at)
    if zip64 is not None:
        _, _, _, _, disk, first_disk, here, members, length, offset = zip64
        records_at -= _END64.size + _LOCATOR.size
    if disk or first_disk or here != members:
        raise ArchiveInvalid("The archive is one part of several. Join them to a single .zip file.")
    if members > most_members or length > most_members * MOST_BYTES_A_MEMBER:
        raise too_many(most_members)
    start = records_at - length
    if start != offset:
        raise ArchiveInvalid("The archive is damaged: its directory is not where the file says.")
    if _count(file, start, records_at, most_members) != members:
        raise ArchiveInvalid("The archive is damaged: its directory lists another number of files.")
    return Directory(start, length, members)


def require_apart(file: BinaryIO, members: Sequence[ZipInfo], directory: Directory) -> None:
    """Check that no byte of the file belongs to two members, or to a member and the directory.

    So what is extracted is at most 1,032 times as long as the file, the most that deflate can do.

    Raises:
        ArchiveInvalid: some overlap, or a member is not where the directory says.
    """
    free_from = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < free_from:
            raise ArchiveInvalid("The archive is refused: files in it share their bytes.")
        file.seek(member.header_offset)
        header = file.read(_LOCAL.size)
        if len(header) < _LOCAL.size or not header.startswith(_LOCAL_SIGNATURE):
            raise ArchiveInvalid("The archive is damaged: a file is not where its directory says.")
        _, name, extra = _LOCAL.unpack(header)
        free_from = member.header_offset + _LOCAL.size + name + extra + member.compress_size
    if free_from > directory.start:
        raise ArchiveInvalid("The archive is refused: a file and the directory share their bytes.")


def too_many(most_members: int) -> BatchTooLarge:
    """Make the error for an archive with too many members."""
    return BatchTooLarge(f"The archive has more than {most_members:,} entries. Split it.")


def _find_end(file: BinaryIO, size: int) -> tuple[int, tuple[int, ...]]:
    """Return the record that ends the file, and where it is."""
    tail_at = max(0, size - _END.size - _LONGEST_COMMENT)
    file.seek(tail_at)
    tail = file.read(size - tail_at)
    # As zipfile: a record without a comment at the very end, else the last signature.
    last = len(tail) - _END.size
    is_plain = last >= 0 and tail.startswith(_END_SIGNATURE, last) and tail.endswith(b"\0\0")
    at = last if is_plain else tail.rfind(_END_SIGNATURE)
    if at < 0:
        raise ArchiveInvalid("The archive is not a zip file, or was cut short. Send a whole .zip file.")
    if len(tail) - at < _END.size:
        raise ArchiveInvalid("The archive is damaged at its end. Send it again.")
    end = _END.unpack_from(tail, at)
    if at + _END.size + end[-1] != len(tail):
        raise ArchiveInvalid("The archive is followed by other data. Send the .zip file alone.")
    return tail_at + at, end


def _read_end64(file: BinaryIO, end_at: int) -> tuple[int, ...] | None:
    """Return the record of a zip64 file before its end; None if it is no zip64 file."""
    if end_at < _LOCATOR.size:
        return None
    file.seek(end_at - _LOCATOR.size)
    locator = _LOCATOR.unpack(file.read(_LOCATOR.size))
    if locator[0] != _LOCATOR_SIGNATURE:
        return None
    at = end_at - _LOCATOR.size - _END64.size
    if at < 0 or locator[2] != at:
        raise ArchiveInvalid("The archive is damaged: its zip64 record is not where the file says.")
    file.seek(at)
    record = _END64.unpack(file.read(_END64.size))
    if record[0] != _END64_SIGNATURE:
        raise ArchiveInvalid("The archive is damaged: it has no zip64 record.")
    if locator[1] or locator[3] > 1:
        raise ArchiveInvalid("The archive is one part of several. Join them to a single .zip file.")
    return record


def _count(file: BinaryIO, start: int, end: int, most_members: int) -> int:
    count, at = 0, start
    while at < end:
        file.seek(at)
        entry = file.read(_ENTRY.size)
        if len(entry) < _ENTRY.size or not entry.startswith(_ENTRY_SIGNATURE):
            raise ArchiveInvalid("The archive is damaged: its directory cannot be read.")
        _, name, extra, comment = _ENTRY.unpack(entry)
        at += _ENTRY.size + name + extra + comment
        count += 1
        if count > most_members:
            raise too_many(most_members)
    if at != end:
        raise ArchiveInvalid("The archive is damaged: its directory has another length than the file says.")
    return count
