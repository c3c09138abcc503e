"""Archives that are accepted, and archives that are refused with their status, code and reason."""

import io
import struct
import zipfile
import zlib

from tests.api.zip_files import Entry, deflated, zip_of

AUDIO = b"RIFF" + bytes(range(256)) * 10
MEGABYTE = 2**20
LARGEST = 4 * MEGABYTE
LARGEST_BATCH = 12 * MEGABYTE
MOST = 20


def written(*names: str, method: int = zipfile.ZIP_DEFLATED, content: bytes = AUDIO) -> bytes:
    """A zip file as the standard library writes it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name in names:
            archive.writestr(name, content)
    return file.getvalue()


def streamed(*names: str) -> bytes:
    """A zip file written without seeking: sizes follow the members."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            super().__init__()
            self.data = b""

        def write(self, data: object) -> int:
            self.data += bytes(data)  # type: ignore[call-overload]
            return len(bytes(data))  # type: ignore[call-overload]

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        for name in names:
            archive.writestr(name, AUDIO)
    return pipe.data


def encrypted(name: str, flag: int = 1) -> Entry:
    return Entry(name, flags=flag)


def overlapping(count: int) -> bytes:
    """Fifield's bomb in short: many members, all with the same compressed bytes."""
    kernel = deflated(bytes(MEGABYTE))
    first = Entry("0.wav", data=bytes(MEGABYTE), packed=kernel)
    rest = [
        Entry(f"{n}.wav", data=bytes(MEGABYTE), packed=kernel, offset=0, local_name=b"0.wav")
        for n in range(1, count)
    ]
    return zip_of(first, *rest)


def quoted() -> bytes:
    """Fifield's bomb as published: a stored block of the first member is the header of the second."""
    second = zip_of(Entry("b.wav", data=bytes(MEGABYTE)))
    second = second[: second.index(b"PK\x01\x02")]
    stored = b"\x00" + struct.pack("<2H", len(second), len(second) ^ 0xFFFF) + second + b"\x03\x00"
    first = Entry("a.wav", data=second, packed=stored)
    at = 30 + len(b"a.wav") + 5
    inner = Entry("b.wav", data=bytes(MEGABYTE), offset=at)
    return zip_of(first, inner)


def unicode_path(name: str, raw: bytes) -> bytes:
    field = b"\x01" + struct.pack("<L", zlib.crc32(raw)) + name.encode()
    return struct.pack("<2H", 0x7075, len(field)) + field


HINDI = "साक्षात्कार/समाचार.wav"
LONG = "ल" * 300 + ".wav"

ACCEPTED: dict[str, tuple[bytes, list[str]]] = {
    "deflated": (written("a.wav", "b.wav"), ["a.wav", "b.wav"]),
    "stored": (written("a.wav", method=zipfile.ZIP_STORED), ["a.wav"]),
    "folders": (written("1998/", "1998/may/", "1998/may/a.wav"), ["1998/may/a.wav"]),
    "devanagari": (written(HINDI), [HINDI]),
    "devanagari without the flag, as macOS writes it": (zip_of(Entry(HINDI, flags=0)), [HINDI]),
    "code page 437": (zip_of(Entry(b"caf\x82.wav", flags=0)), ["café.wav"]),
    "unicode path field": (
        zip_of(Entry(b"_.wav", flags=0, extra=unicode_path(HINDI, b"_.wav"))),
        [HINDI],
    ),
    "unicode path field of another name": (
        zip_of(Entry(b"_.wav", flags=0, extra=unicode_path(HINDI, b"x.wav"))),
        ["_.wav"],
    ),
    "backslashes": (zip_of("tapes\\a.wav"), ["tapes/a.wav"]),
    "this folder": (zip_of("./a.wav"), ["a.wav"]),
    "streamed": (streamed("a.wav", "b.wav"), ["a.wav", "b.wav"]),
    "a comment": (zip_of("a.wav", comment=b"of 1998"), ["a.wav"]),
    "zip64": (zip_of("a.wav", "b.wav", zip64=True), ["a.wav", "b.wav"]),
    "silence, which compresses a thousandfold": (
        zip_of(Entry("a.wav", data=bytes(LARGEST))),
        ["a.wav"],
    ),
    "an empty recording": (zip_of(Entry("a.wav", data=b"")), ["a.wav"]),
    "names that differ in case": (zip_of("a.wav", "A.wav"), ["a.wav", "A.wav"]),
    "a reordering mark": (zip_of("a\u202egpj.wav"), ["agpj.wav"]),
    "clutter": (
        zip_of("a.wav", "__MACOSX/._a.wav", "__MACOSX/x/._b", "in/.DS_Store", "Thumbs.db", "in/DESKTOP.INI"),
        ["a.wav"],
    ),
    "as many as may be": (zip_of(*(f"{n}.wav" for n in range(MOST))), [f"{n}.wav" for n in range(MOST)]),
    "a gap between members": (
        zip_of("a.wav", Entry("b.wav", offset=None), before=b""),
        ["a.wav", "b.wav"],
    ),
}

Refused = tuple[bytes, int, str, str | None]
INVALID, REFUSED = (422, "archive_invalid", None), (422, "member_refused")
REFUSALS: dict[str, Refused] = {
    "nothing": (b"", *INVALID),
    "no zip": (b"RIFF" + bytes(100), *INVALID),
    "a tar": (b"a.wav" + bytes(252) + b"ustar" + bytes(700), *INVALID),
    "a gzip": (b"\x1f\x8b\x08" + bytes(100), *INVALID),
    "the end alone, without members": (zip_of(), 422, "batch_empty", None),
    "folders alone": (written("a/", "b/"), 422, "batch_empty", None),
    "clutter alone": (zip_of("__MACOSX/._a.wav", ".DS_Store"), 422, "batch_empty", None),
    "truncated in a member": (written("a.wav")[:60], *INVALID),
    "truncated in the directory": (written("a.wav")[:-30], *INVALID),
    "truncated in the end": (written("a.wav")[:-1], *INVALID),
    "data behind": (zip_of("a.wav", after=b"PK and more"), *INVALID),
    "data before": (b"#!/bin/sh" + written("a.wav"), *INVALID),
    "an end inside the comment": (zip_of("a.wav", comment=b"x" + zip_of("b.wav")[-22:] + b"y"), *INVALID),
    "a whole archive as comment": (zip_of("a.wav", comment=zip_of("b.wav")), *INVALID),
    "two parts": (zip_of("a.wav", disk=1), *INVALID),
    "more listed than there are": (zip_of("a.wav", listed=2), *INVALID),
    "fewer listed than there are": (zip_of("a.wav", "b.wav", listed=1), *INVALID),
    "the directory elsewhere": (zip_of("a.wav", directory_offset=1), *INVALID),
    "a directory longer than the file": (zip_of("a.wav", directory_size=5000), *INVALID),
    "a directory that begins too late": (zip_of("a.wav", directory_size=30), *INVALID),
    "zip64 elsewhere": (
        zip_of("a.wav", zip64=True).replace(b"PK\x06\x07\0\0\0\0", b"PK\x06\x07\0\0\0\1"),
        *INVALID,
    ),
    "a wrong CRC": (zip_of(Entry("a.wav", crc=1)), *INVALID),
    "a broken stream": (zip_of(Entry("a.wav", packed=b"\xff" * 20)), *INVALID),
    "a stream cut short": (zip_of(Entry("a.wav", data=AUDIO, packed=deflated(AUDIO)[:-9])), *INVALID),
    "no local header": (zip_of(Entry("a.wav", signature=b"PK\0\0")), *INVALID),
    "another name in the local header": (zip_of(Entry("a.wav", local_name=b"b.wav")), *INVALID),
    "a member in the directory": (zip_of("a.wav", Entry("b.wav", offset=10_000)), *INVALID),
    "a member behind the end": (zip_of("a.wav", Entry("b.wav", offset=2**31)), *INVALID),
    "a smaller size than there is": (zip_of(Entry("a.wav", data=AUDIO, size=100)), *INVALID),
    "a smaller size, with the CRC of the part": (
        zip_of(Entry("a.wav", data=AUDIO, size=100, crc=zlib.crc32(AUDIO[:100]))),
        *INVALID,
    ),
    "a bomb that declares one byte": (
        zip_of(Entry("a.wav", data=bytes(64 * MEGABYTE), size=1)),
        *INVALID,
    ),
    "a larger size than there is": (zip_of(Entry("a.wav", size=2000)), *INVALID),
    "a stored member with two sizes": (zip_of(Entry("a.wav", method=0, size=5)), *INVALID),
    "packed bytes up to the directory": (zip_of(Entry("a.wav", packed_size=500)), *INVALID),
    "members that share all bytes": (overlapping(8), *INVALID),
    "members that share some bytes": (quoted(), *INVALID),
    "one name twice": (zip_of("a.wav", "a.wav"), *INVALID),
    "a name that is no UTF-8": (zip_of(Entry(b"\xff.wav", flags=0x800)), *INVALID),
    "a future version": (zip_of(Entry("a.wav", version=90)), *INVALID),
    "a bomb": (zip_of(Entry("a.wav", data=bytes(64 * MEGABYTE))), 413, "upload_too_large", None),
    "a bomb in parts": (
        zip_of(*(Entry(f"{n}.wav", data=bytes(LARGEST)) for n in range(4))),
        413,
        "batch_too_large",
        None,
    ),
    "too many members": (zip_of(*(f"{n}.wav" for n in range(MOST + 1))), 413, "batch_too_large", None),
    "far too many entries": (zip_of(*(f"{n}/" for n in range(4 * MOST + 1))), 413, "batch_too_large", None),
    "far too many entries, one listed": (
        zip_of(*(f"{n}/" for n in range(4 * MOST + 1)), listed=1),
        413,
        "batch_too_large",
        None,
    ),
    "an endless directory": (
        zip_of(*(Entry("a" * 60_000 + str(n)) for n in range(9))),
        413,
        "batch_too_large",
        None,
    ),
    "upwards": (zip_of("../a.wav"), *REFUSED, "traversal"),
    "upwards in the middle": (zip_of("x/../../a.wav"), *REFUSED, "traversal"),
    "upwards with backslashes": (zip_of("x\\..\\..\\a.wav"), *REFUSED, "traversal"),
    "upwards with a space": (zip_of("x/.. /a.wav"), *REFUSED, "traversal"),
    "upwards as clutter": (zip_of("../.DS_Store", "a.wav"), *REFUSED, "traversal"),
    "upwards as a folder": (zip_of("../", "a.wav"), *REFUSED, "traversal"),
    "absolute": (zip_of("/etc/a.wav"), *REFUSED, "traversal"),
    "a drive": (zip_of("C:\\a.wav"), *REFUSED, "traversal"),
    "a share": (zip_of("\\\\host\\a.wav"), *REFUSED, "traversal"),
    "a NUL": (zip_of("a.wav\0.txt"), *REFUSED, "name"),
    "a control character": (zip_of("a\x1b[2J.wav"), *REFUSED, "name"),
    "a line break": (zip_of("a\n.wav"), *REFUSED, "name"),
    "a long name": (zip_of(LONG), *REFUSED, "name"),
    "a long path": (zip_of("/".join(["ab"] * 400) + "/a.wav"), *REFUSED, "name"),
    "a symbolic link": (zip_of(Entry("a.wav", data=b"/etc/passwd", mode=0o120777)), *REFUSED, "special_file"),
    "a device": (zip_of(Entry("a.wav", mode=0o020666)), *REFUSED, "special_file"),
    "a pipe": (zip_of(Entry("a.wav", mode=0o010666)), *REFUSED, "special_file"),
    "encrypted": (zip_of(encrypted("a.wav")), *REFUSED, "encrypted"),
    "strongly encrypted": (zip_of(encrypted("a.wav", 0x41)), *REFUSED, "encrypted"),
    "patched data": (zip_of(Entry("a.wav", flags=0x20)), *REFUSED, "compression"),
    "bzip2": (written("a.wav", method=zipfile.ZIP_BZIP2), *REFUSED, "compression"),
    "lzma": (written("a.wav", method=zipfile.ZIP_LZMA), *REFUSED, "compression"),
    "deflate64": (zip_of(Entry("a.wav", method=9)), *REFUSED, "compression"),
    "a zip inside": (zip_of(Entry("a.wav", data=written("b.wav"))), *REFUSED, "nested_archive"),
    "an empty zip inside": (zip_of(Entry("a.wav", data=zip_of())), *REFUSED, "nested_archive"),
    "a gzip inside": (zip_of(Entry("a.wav", data=b"\x1f\x8b\x08" + AUDIO)), *REFUSED, "nested_archive"),
    "a 7z inside": (zip_of(Entry("a", data=b"7z\xbc\xaf\x27\x1c" + AUDIO)), *REFUSED, "nested_archive"),
    "a rar inside": (zip_of(Entry("a", data=b"Rar!\x1a\x07\x01\0")), *REFUSED, "nested_archive"),
    "a tar inside, after a recording": (
        zip_of("a.wav", Entry("b.tar", data=bytes(257) + b"ustar\x0000" + bytes(248))),
        *REFUSED,
        "nested_archive",
    ),
}
