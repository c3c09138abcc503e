"""Zip archives of recordings: check all of an archive, then extract its members one by one into the store.

Limits are on bytes, not on a compression ratio: a recording of silence compresses a thousandfold and is no
bomb. What bounds an archive is that all declared sizes are checked before the first member is extracted, that
no member may yield a byte more than declared, and that members may not share compressed bytes
(:mod:`api.intake.zip_directory`).
"""

import stat
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from copy import copy
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from api.intake.member_names import MemberPath, clutter_in, member_path, refused
from api.intake.zip_directory import find_directory, require_apart
from shared.errors import ArchiveInvalid, BatchTooLarge, UploadTooLarge
from shared.files import FileStore, StoredFile

BLOCK_BYTES = 1024**2
# Entries of an archive for each recording that it may have: room for folders and clutter.
ENTRIES_A_RECORDING = 4
MOST_SKIPPED = 1000  # that are listed

_UTF8_NAME = 0x800
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_PATCHED = 0x20
_UNICODE_PATH = 0x7075
_ORDINARY = frozenset({0, stat.S_IFREG, stat.S_IFDIR})
# How archives and compressed files begin, and at which byte.
_ARCHIVES: Mapping[str, tuple[int, bytes]] = {
    "zip": (0, b"PK\x03\x04"),
    "zip (empty)": (0, b"PK\x05\x06"),
    "zip (in parts)": (0, b"PK\x07\x08"),
    "gzip": (0, b"\x1f\x8b"),
    "bzip2": (0, b"BZh"),
    "xz": (0, b"\xfd7zXZ\0"),
    "zstd": (0, b"\x28\xb5\x2f\xfd"),
    "7z": (0, b"7z\xbc\xaf\x27\x1c"),
    "rar": (0, b"Rar!\x1a\x07"),
    "cab": (0, b"MSCF\0\0\0\0"),
    "tar": (257, b"ustar"),
}


class Recording(NamedTuple):
    """A file of a batch in the store, not yet synced to disk. It has no job yet."""

    file: StoredFile
    path: MemberPath


@dataclass(frozen=True, slots=True)
class Limits:
    """What a batch may have at most: recordings, bytes in each of them, bytes in all."""

    recordings: int
    bytes_each: int
    bytes_all: int


class Member(NamedTuple):
    """A recording in an archive. ``sent`` is its path there, for errors."""

    info: ZipInfo
    sent: str
    path: MemberPath


class Archive(NamedTuple):
    """An open archive whose directory is checked.

    Attributes:
        skipped: files and folders that operating systems add, as ``{name, reason}``; the first 1,000.
        size: bytes of all members, as declared.
    """

    zip: ZipFile
    members: list[Member]
    skipped: list[dict[str, str]]
    size: int


@contextmanager
def opened_archive(file: BinaryIO, size: int, limits: Limits) -> Iterator[Archive]:
    """Open an archive of ``size`` bytes and check all that its directory says. Extracts nothing.

    Raises:
        ArchiveInvalid: see :mod:`api.intake.zip_directory`; also if two members have the same name.
        MemberRefused: a member has a refused name, is no ordinary file, or is encrypted or compressed with
            another method than deflate.
        UploadTooLarge: a member is too large.
        BatchTooLarge: there are too many members, or bytes in all of them.
    """
    directory = find_directory(file, size, limits.recordings * ENTRIES_A_RECORDING)
    with _translated_errors(), ZipFile(file) as archive:
        infos = archive.infolist()
        if len(infos) != directory.members or archive.start_dir != directory.start:
            raise ArchiveInvalid("The archive is damaged: its directory can be read in two ways.")
        require_apart(file, infos, directory)
        members, skipped = _sorted_out(infos, limits)
        yield Archive(archive, members, skipped, sum(member.info.file_size for member in members))


def extract(archive: Archive, store: FileStore, limits: Limits) -> Iterator[Recording]:
    """Extract the members one by one. Each is in the store when it is yielded, but not synced to disk.

    Raises:
        ArchiveInvalid: a member is damaged, or has other data than declared.
        MemberRefused: a member is an archive itself.
        StorageFull: the disk is full.
    """
    for member in archive.members:
        with _translated_errors(), closing(store.receive(limits.bytes_each)) as upload:
            for block in _blocks(archive.zip, member):
                if upload.size == 0:
                    require_no_archive(block, member.sent)
                upload.write(block)
            if upload.size != member.info.file_size:
                raise _lies(member.sent)
            stored = upload.commit(synced=False)
        yield Recording(stored, member.path)


def require_no_archive(head: bytes, name: str) -> None:
    """Check by its first 262 bytes that a file is no archive.

    Raises:
        MemberRefused: it is one.
    """
    for kind, (at, magic) in _ARCHIVES.items():
        if head.startswith(magic, at):
            raise refused(
                name,
                "nested_archive",
                f"It is an archive itself ({kind}). Send recordings, or "
                "one .zip of them in the part 'archive'.",
            )


def _sorted_out(infos: list[ZipInfo], limits: Limits) -> tuple[list[Member], list[dict[str, str]]]:
    members: list[Member] = []
    skipped: dict[str, dict[str, str]] = {}
    names: set[str] = set()
    size = 0
    for info in infos:
        name = _name_of(info)
        path = member_path(name)
        if name in names:
            raise ArchiveInvalid("The archive is refused: two files in it have the same name.")
        names.add(name)
        _require_ordinary(info, name)
        clutter = clutter_in(name)
        if clutter is not None:
            if len(skipped) < MOST_SKIPPED:
                skipped[clutter] = {"name": clutter, "reason": "clutter"}
            continue
        if _is_folder(info, name):
            continue
        size += info.file_size
        _require_small(info, name, size, limits)
        members.append(Member(info, name, path))
        if len(members) > limits.recordings:
            raise too_many_recordings(limits)
    return members, list(skipped.values())


def too_many_recordings(limits: Limits) -> BatchTooLarge:
    """Make the error for a batch with too many recordings."""
    return BatchTooLarge(
        f"The batch has more than {limits.recordings:,} recordings. Split it, or ask the operator to raise "
        "SHRUTLEKH_BATCH_LIMIT, and SHRUTLEKH_QUEUE_LIMIT if that is smaller."
    )


def too_many_bytes(limits: Limits) -> BatchTooLarge:
    """Make the error for a batch with too many bytes."""
    return BatchTooLarge(
        f"The batch has more than {limits.bytes_all:,} bytes. Split it, or ask the operator to raise "
        "SHRUTLEKH_MAX_BATCH_BYTES."
    )


def _require_ordinary(info: ZipInfo, name: str) -> None:
    if stat.S_IFMT(info.external_attr >> 16) not in _ORDINARY:
        raise refused(name, "special_file", "It is a link or a device. Send the recording itself.")
    if info.flag_bits & _ENCRYPTED:
        raise refused(name, "encrypted", "It is encrypted. Send an archive without a password.")
    if info.flag_bits & _PATCHED or info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise refused(name, "compression", "Its compression is not supported. Use deflate, or none.")
    if info.compress_type == ZIP_STORED and info.compress_size != info.file_size:
        raise _lies(name)


def _require_small(info: ZipInfo, name: str, size: int, limits: Limits) -> None:
    if info.file_size > limits.bytes_each:
        raise UploadTooLarge(
            f"The file {name!r} in the archive is larger than the limit of {limits.bytes_each:,} bytes. "
            "Split it, or ask the operator to raise SHRUTLEKH_MAX_UPLOAD_BYTES.",
            extra={"member": name},
        )
    if size > limits.bytes_all:
        raise too_many_bytes(limits)


def _name_of(info: ZipInfo) -> str:
    """Return the name as its author wrote it. ``zipfile`` cuts it at a NUL, and trusts the UTF-8 flag.

    Without that flag the standard says code page 437, but macOS writes UTF-8, and others add a field.
    """
    if info.flag_bits & _UTF8_NAME:
        return info.orig_filename
    raw = info.orig_filename.encode("cp437")
    extra = _unicode_path(info.extra, raw)
    try:
        return (raw if extra is None else extra).decode("utf-8")
    except UnicodeDecodeError:
        return info.orig_filename


def _unicode_path(extra: bytes, raw: bytes) -> bytes | None:
    """Return the name in Info-ZIP's Unicode Path field, if it is there and belongs to the name."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        field, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == _UNICODE_PATH and len(field) > 5 and field[0] == 1:
            return field[5:] if struct.unpack_from("<L", field, 1)[0] == zlib.crc32(raw) else None
    return None


def _is_folder(info: ZipInfo, name: str) -> bool:
    return name.endswith(("/", "\\")) or stat.S_ISDIR(info.external_attr >> 16)


def _blocks(archive: ZipFile, member: Member) -> Iterator[bytes]:
    """Yield what a member holds, at most one byte more than declared."""
    # zipfile stops at the declared size, as if the rest did not exist. One byte more shows that it does.
    open_ended = copy(member.info)
    open_ended.file_size += 1
    size = 0
    with archive.open(open_ended) as source:
        while block := source.read(BLOCK_BYTES):
            size += len(block)
            if size > member.info.file_size:
                raise _lies(member.sent)
            yield block


def _lies(sent: str) -> ArchiveInvalid:
    return ArchiveInvalid(
        f"The archive is damaged: {sent!r} has another size than its directory says.",
        extra={"member": sent},
    )


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Turn what zipfile raises about a broken archive into ArchiveInvalid."""
    try:
        yield
    except (BadZipFile, EOFError, UnicodeError, NotImplementedError, zlib.error, struct.error) as error:
        raise ArchiveInvalid("The archive is damaged. Pack it and send it again.") from error
