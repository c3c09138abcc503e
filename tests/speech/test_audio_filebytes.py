import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from speech import AudioUnreadable, AudioUnsupported
from speech.audio.file_bytes import FileBytes
from speech.audio.structure import FilePart
from tests.speech.media import id3

PACKED = b"cmov\0\0\0\x0cdcom"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[object]:
    fds = []

    def make(content: bytes) -> FileBytes:
        path = tmp_path / "file"
        path.write_bytes(content)
        fds.append(os.open(path, os.O_RDONLY))
        return FileBytes(FilePart(fds[-1], 0, len(content)))

    yield make
    for fd in fds:
        os.close(fd)


def test_reads_seeks_and_tells(opened) -> None:  # type: ignore[no-untyped-def]
    file = opened(bytes(range(100)))
    assert file.read(3) == b"\0\1\2"
    assert file.seek(-1, os.SEEK_END) == 99
    assert (file.read(10), file.read(10), file.tell()) == (b"\x63", b"", 100)
    assert file.seek(-10, os.SEEK_CUR) == 90
    assert file.seek(-5) == 0
    file.check()


def test_tags_are_no_part_of_it(opened) -> None:  # type: ignore[no-untyped-def]
    tag = id3(5000)
    file = opened(tag * 2 + b"sound")
    assert (file.begin, file.read(100)) == (2 * len(tag), b"sound")
    assert file.seek(0, os.SEEK_END) == 5
    assert opened(b"ID3\3\0\0\x7f\x7f\x7f\x7f").read(10) == b""
    assert opened(b"ID3\3\0\0\xff\0\0\0abc").read(3) == b"ID3"


@pytest.mark.parametrize("place", range(20))
def test_a_compressed_index_is_found_wherever_reads_begin(opened, place: int) -> None:  # type: ignore[no-untyped-def]
    file = opened(bytes(place) + PACKED + bytes(50))
    got = b""
    while part := file.read(7):
        got += part
    assert PACKED not in got
    with pytest.raises(AudioUnsupported, match="compressed"):
        file.check()


def test_reading_in_circles_ends(opened) -> None:  # type: ignore[no-untyped-def]
    file = opened(bytes(2**20))
    rounds = 0
    while file.read(2**20):
        file.seek(0)
        rounds += 1
    assert 32 <= rounds < 200
    with pytest.raises(AudioUnreadable, match="circles"):
        file.check()
