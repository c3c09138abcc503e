"""Find the recordings in a file that holds several, one after the other.

Internet radio and some recorders chain Ogg streams (RFC 3533, section 4), and people join files with `cat`.
Each recording, here called a link as in Ogg, has its own header, and may have another sample rate and channel
count.
"""

import re
from collections.abc import Iterator
from typing import Final

from speech.audio.structure.file_part import FilePart

MAX_LINKS: Final = 1_000
"""Most links that are told apart. Later ones are left to the last reader."""

MAX_TAGS: Final = 8

_REACH: Final = 128
"""Most bytes that a header's pattern looks at."""

_HEADERS: Final = tuple(
    (start, re.compile(pattern, re.DOTALL))
    for start, pattern in (
        (b"fLaC", rb"fLaC[\x00\x80]\x00\x00\x22"),
        (b"\x1aE\xdf\xa3", rb"\x1aE\xdf\xa3.{1,64}?\x42\x82.(?:webm|matroska)"),
        (b"#!AMR", rb"#!AMR(?:-WB)?\n"),
        (b"TTA1", rb"TTA1[\x01\x03]\x00"),
        (b"FLV\x01", rb"FLV\x01[\x01\x04\x05]\x00\x00\x00\x09"),
        (b"RIFF", rb"RIFF.{4}AVI LIST"),
        (b"caff", rb"caff\x00\x01\x00\x00desc"),
        (b"riff", rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"),
        (b".snd", rb"\.snd\x00\x00.{6}\x00\x00\x00[\x01-\x1b]"),
        (b"wvpk", rb"wvpk.{12}\x00{4}.{4}.[\x08-\x0f\x18-\x1f\x28-\x2f\x38-\x3f]"),
        (b"\x30\x26\xb2\x75", rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"),
    )
)
"""How a file of a format begins, and what follows at the beginning of a further one."""

_WAV: Final = re.compile(rb"(?:RIFF|RF64).{4}WAVE(?:fmt |ds64|JUNK|bext)", re.DOTALL)
_ID3: Final = re.compile(rb"ID3[\x02-\x04].[\x00-\xf0][\x00-\x7f]{4}", re.DOTALL)
_VBR_INDEX: Final = re.compile(rb"\xff[\xe2-\xfe][\x10-\xef].(?:.{9}|.{17}|.{32})(?:Xing|Info)", re.DOTALL)
"""The first frame of an MP3 file: header, side information, and the tag with the number of frames."""


def find_links(file: FilePart) -> list[int]:
    """Return the byte offsets at which the links of a file begin. The first is 0."""
    head = file.read(0, _REACH)
    found: Iterator[int] = iter(())
    if head.startswith(b"OggS"):
        found = _ogg(file)
    elif head[4:8] == b"ftyp":
        found = _mp4(file)
    elif head[:4] in (b"RIFF", b"RF64", b"FORM") and head[8:12] in (b"WAVE", b"AIFF", b"AIFC"):
        found = _chunked(file)
    elif head.startswith(b"ID3") or (head[:1] == b"\xff" and head[1:2] >= b"\xe0"):
        found = _tagged(file)
    else:
        for start, pattern in _HEADERS:
            if head.startswith(start):
                found = _matches(file, start, pattern)
    links = [0]
    for offset in found:
        if len(links) == MAX_LINKS:
            break
        if offset > links[-1]:
            links.append(offset)
    return links


def _ogg(file: FilePart) -> Iterator[int]:
    """Yield the first page of each link: one that begins a stream, after a page that did not."""
    place, begins = 0, True
    while place < file.size:
        head = file.read(place, 282)
        if not head.startswith(b"OggS"):  # damage
            place = next(file.find(b"OggS", place + 1), file.size)
            continue
        if len(head) < 27:
            return
        is_first = bool(head[5] & 2)
        if is_first and not begins:
            yield place
        begins = is_first
        place += 27 + head[26] + sum(head[27 : 27 + head[26]])


def _mp4(file: FilePart) -> Iterator[int]:
    """Yield the file type boxes after the first."""
    for place, kind, _ in mp4_boxes(file):
        if kind == b"ftyp" and place:
            yield place


def mp4_boxes(file: FilePart) -> Iterator[tuple[int, bytes, int]]:
    """Yield offset, type and end of each box (ISO/IEC 14496-12, section 4.2), up to one that is none."""
    place = 0
    while place < file.size:
        head = file.read(place, 16)
        kind, length = head[4:8], int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        elif length == 0:
            length = file.size - place
        if length < 8 or not re.fullmatch(rb"[ -~\xa9]{4}", kind):
            return
        yield place, kind, place + length
        place += length


def without_avi_index(file: FilePart) -> FilePart:
    """Return the part of an AVI file before its index, which FFmpeg trusts even if it is damaged.

    A file of another format, or with several parts (OpenDML), is returned whole.
    """
    if file.read(0, 4) != b"RIFF" or file.read(8, 4) != b"AVI ":
        return file
    place = 12
    while place < file.size:
        head = file.read(place, 8)
        if head[:4] == b"idx1":
            end = place + 8 + int.from_bytes(head[4:], "little")
            return FilePart(file.fd, file.begin, file.begin + place) if end >= file.size - 8 else file
        if len(head) < 8 or head[:4] not in (b"LIST", b"JUNK"):
            return file
        place += 8 + int.from_bytes(head[4:], "little") + (head[4] & 1)
    return file


def _chunked(file: FilePart) -> Iterator[int]:
    """Yield the places where a WAV or AIFF file ends, by its header, and another one begins."""
    place = 0
    while place < file.size:
        head = file.read(place, 12)
        if head[:4] not in (b"RIFF", b"RF64", b"FORM") or head[8:12] not in (b"WAVE", b"AIFF", b"AIFC"):
            return
        yield place
        length = int.from_bytes(head[4:8], "big" if head.startswith(b"FORM") else "little")
        if place + length > file.size:  # a recorder that wrote to a pipe, or a file that was cut off
            yield from sorted(
                [
                    *_matches(file, b"RIFF", _WAV, place + 1),
                    *_matches(file, b"RF64", _WAV, place + 1),
                ]
            )
            return
        place += 8 + length + length % 2


def _tagged(file: FilePart) -> Iterator[int]:
    """Yield the beginnings of further MP3 or AAC files.

    They begin with an ID3 tag before a frame, or with a frame that holds an index.
    """
    places = sorted(
        [
            *_matches(file, b"ID3", _ID3),
            *_index_frames(file, b"Xing"),
            *_index_frames(file, b"Info"),
        ]
    )
    free = 0
    for place in places:
        if place < free:  # the first frame behind the tag just found
            continue
        end = behind_tags(file, place)
        following = file.read(end, 4)
        is_frame = following[:1] == b"\xff" and following[1:2] >= b"\xe0"
        if place and (is_frame or following == b"fLaC"):
            yield place
        if is_frame or not place:
            free = end + 1


def _index_frames(file: FilePart, name: bytes) -> Iterator[int]:
    for place in file.find(name):
        for before in (13, 21, 36):
            begin = place - before
            if begin >= 0 and _VBR_INDEX.match(file.read(begin, 40)):
                yield begin
                break


def behind_tags(file: FilePart, begin: int = 0) -> int:
    """Return the offset after the ID3v2 tags at `begin` (id3.org, "ID3 tag version 2.4.0", section 3.1)."""
    for _ in range(MAX_TAGS):
        head = file.read(begin, 10)
        if len(head) < 10 or not head.startswith(b"ID3") or max(head[6:]) > 127:
            break
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        begin += 10 + size + (10 if head[5] & 0x10 else 0)
    return begin


def _matches(file: FilePart, start: bytes, pattern: re.Pattern[bytes], begin: int = 0) -> Iterator[int]:
    return (place for place in file.find(start, begin) if pattern.match(file.read(place, _REACH)))
