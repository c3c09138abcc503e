"""Archives of unknown origin: what is wanted comes out, and a refusal leaves nothing behind."""

import errno
import gzip
import io
import os
import random
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from modelkit.errors import ArchiveUnsafe, DiskFull, ModelkitError, SourceNotFound
from modelkit.sources import archives
from modelkit.sources.archives import extract_members
from tests.api.small_disk import MEGABYTES, small_disk

LIMIT = 10**6
FILES = {"model_config.yaml": b"sample_rate: 16000\n", "model_weights.ckpt": bytes(range(256)) * 40}


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, **more: Any) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    for key, value in more.items():
        setattr(info, key, value)
    return info


def packed(path: Path, mode: str = "w", prefix: str = "./") -> Path:
    """A .nemo file as NeMo writes it."""
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        tar.addfile(member("./", kind=tarfile.DIRTYPE))
        for name, content in FILES.items():
            tar.addfile(member(prefix + name, len(content)), io.BytesIO(content))
    return path


def hostile(path: Path, *members: tarfile.TarInfo, mode: str = "w") -> Path:
    """An archive with two honest files, and then these members."""
    with tarfile.open(path, mode, format=tarfile.GNU_FORMAT) as tar:  # type: ignore[call-overload]
        for name, content in FILES.items():
            tar.addfile(member(name, len(content)), io.BytesIO(content))
        for info in members:
            tar.addfile(info, io.BytesIO(bytes(info.size)) if info.size else None)
    return path


def all_files(name: str) -> bool:
    return True


def everything(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("prefix", ["", "./", "inner/", "./inner/"])
def test_wanted_files_are_extracted(tmp_path: Path, mode: str, prefix: str) -> None:
    archive = packed(tmp_path / "model.nemo", mode, prefix)
    found = extract_members(archive, tmp_path / "new" / "into", lambda name: name.endswith(".yaml"), LIMIT)
    name = f"{prefix}model_config.yaml".removeprefix("./")
    assert found == {name: tmp_path / "new" / "into" / name}
    assert found[name].read_bytes() == FILES["model_config.yaml"]
    assert [path for path in (tmp_path / "new").rglob("*") if path.is_file()] == [found[name]]


def test_permissions_and_owners_are_not_kept(tmp_path: Path) -> None:
    archive = hostile(tmp_path / "a.nemo", member("setuid", mode=0o6777, uid=4242, gid=4242))
    status = extract_members(archive, tmp_path / "into", all_files, LIMIT)["setuid"].stat()
    assert status.st_mode & 0o7111 == 0
    assert (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid())


HOSTILE = {
    "parent": member("../escaped", 3),
    "parent_inside": member("a/../../escaped", 3),
    "absolute": member("/tmp/escaped", 3),
    "backslash": member("..\\escaped", 3),
    "drive": member("C:escaped", 3),
    "newline": member("a\nb", 3),
    "no_name": member("", 3),
    "long_name": member("n" * 300, 3),
    "symlink": member("link", kind=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "symlink_inside": member("link", kind=tarfile.SYMTYPE, linkname="model_config.yaml"),
    "hardlink": member("link", kind=tarfile.LNKTYPE, linkname="model_config.yaml"),
    "device": member("null", kind=tarfile.CHRTYPE, devmajor=1, devminor=3),
    "fifo": member("fifo", kind=tarfile.FIFOTYPE),
    "twice": member("model_config.yaml", 3),
    "twice_spelled_otherwise": member("./model_config.yaml", 3),
    "file_as_folder": member("model_config.yaml/inner", 3),
    "folder_as_file": member("model_config.yaml", kind=tarfile.DIRTYPE),
    "too_large": member("large", LIMIT),
}


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused_and_leave_nothing(tmp_path: Path, name: str, mode: str) -> None:
    box = tmp_path / "box"
    box.mkdir()
    archive = hostile(box / "bad.nemo", HOSTILE[name], mode=mode)
    before = everything(tmp_path)
    with pytest.raises(ArchiveUnsafe, match=r"bad\.nemo"):
        extract_members(archive, box / "into" / "deep", all_files, LIMIT)
    assert everything(tmp_path) == before
    assert not Path("/tmp/escaped").exists()


def test_a_hostile_member_that_nobody_wants_is_refused_too(tmp_path: Path) -> None:
    archive = hostile(tmp_path / "bad.nemo", HOSTILE["symlink"])
    with pytest.raises(ArchiveUnsafe, match="link"):
        extract_members(archive, tmp_path / "into", lambda name: name == "model_config.yaml", LIMIT)
    assert not (tmp_path / "into").exists()


def test_a_link_and_a_file_behind_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    archive = hostile(
        tmp_path / "bad.nemo",
        member("door", kind=tarfile.SYMTYPE, linkname=str(outside)),
        member("door/escaped", 3),
    )
    with pytest.raises(ArchiveUnsafe):
        extract_members(archive, tmp_path / "into", all_files, LIMIT)
    assert not list(outside.iterdir())


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A header that claims a terabyte is refused before anything behind it is decompressed."""
    archive = tmp_path / "bomb.nemo"
    archive.write_bytes(gzip.compress(member("bomb", 2**40).tobuf(tarfile.GNU_FORMAT) + bytes(2**24)))
    read = 0
    honest = gzip.GzipFile.read

    def counted(self: gzip.GzipFile, size: int | None = -1) -> bytes:
        nonlocal read
        content = honest(self, size)
        read += len(content)
        return content

    monkeypatch.setattr(gzip.GzipFile, "read", counted)
    with pytest.raises(ArchiveUnsafe, match=f"more than {LIMIT} bytes"):
        extract_members(archive, tmp_path / "into", all_files, LIMIT)
    assert read == tarfile.BLOCKSIZE


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_an_extended_header_cannot_claim_memory(tmp_path: Path, kind: bytes) -> None:
    archive = tmp_path / "bad.nemo"
    archive.write_bytes(member("header", 2**40, kind).tobuf(tarfile.GNU_FORMAT) + bytes(2**20))
    with pytest.raises(ArchiveUnsafe, match="a header of"):
        extract_members(archive, tmp_path / "into", all_files, LIMIT)


def test_extended_headers_in_a_long_chain(tmp_path: Path) -> None:
    archive = tmp_path / "bad.nemo"
    archive.write_bytes(member("header", 0, tarfile.XHDTYPE).tobuf(tarfile.GNU_FORMAT) * 20_000)
    with pytest.raises(ArchiveUnsafe):
        extract_members(archive, tmp_path / "into", all_files, LIMIT)


def test_sparse_files_are_refused(tmp_path: Path) -> None:
    archive = tmp_path / "sparse.nemo"
    header = bytearray(member("sparse", 0, tarfile.GNUTYPE_SPARSE).tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b"77777777777\0"  # what it claims to be unpacked
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    archive.write_bytes(bytes(header) + bytes(1024))
    with pytest.raises(ArchiveUnsafe):
        extract_members(archive, tmp_path / "into", all_files, LIMIT)


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 2)
    with pytest.raises(ArchiveUnsafe, match="more than 2 members"):
        extract_members(packed(tmp_path / "many.nemo"), tmp_path / "into", all_files, LIMIT)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_truncated_anywhere(tmp_path: Path, mode: str) -> None:
    whole = packed(tmp_path / "whole.nemo", mode).read_bytes()
    archive = tmp_path / "cut.nemo"
    # the last member of a plain archive ends at 12800, and after it zeros may be missing
    end = len(whole) if mode == "w:gz" else 12_800
    for length in {*range(0, end, 97), *range(0, end, tarfile.BLOCKSIZE)}:
        archive.write_bytes(whole[:length])
        with pytest.raises(ArchiveUnsafe):
            extract_members(archive, tmp_path / "into", all_files, LIMIT)
        assert not (tmp_path / "into").exists()


def test_a_damaged_byte_in_a_compressed_archive(tmp_path: Path) -> None:
    whole = packed(tmp_path / "whole.nemo", "w:gz").read_bytes()
    archive = tmp_path / "damaged.nemo"
    for place in range(len(whole) - 8, len(whole)):  # the checksum and the size
        archive.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ArchiveUnsafe):
            extract_members(archive, tmp_path / "into", all_files, LIMIT)


def test_a_damaged_header_is_not_the_end(tmp_path: Path) -> None:
    archive = packed(tmp_path / "damaged.nemo")
    content = bytearray(archive.read_bytes())
    content[content.index(b"./model_weights")] ^= 1
    archive.write_bytes(content)
    with pytest.raises(ArchiveUnsafe, match="damaged"):
        extract_members(archive, tmp_path / "into", all_files, LIMIT)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_damage_anywhere_is_a_coded_error_or_harmless(tmp_path: Path, mode: str) -> None:
    whole = hostile(tmp_path / "whole.nemo", member("n" * 150, 20), mode=mode).read_bytes()
    generator = random.Random(19)
    archive = tmp_path / "damaged.nemo"
    for turn in range(300):
        content = bytearray(whole)
        for _ in range(generator.randrange(1, 4)):
            content[generator.randrange(len(content) if mode == "w:gz" else 1536)] = generator.randrange(256)
        archive.write_bytes(content)
        into = tmp_path / f"into{turn}"
        try:
            extract_members(archive, into, all_files, LIMIT)
        except ModelkitError:
            assert not into.exists()


def test_no_archive(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound):
        extract_members(tmp_path / "missing.nemo", tmp_path / "into", all_files, LIMIT)
    (tmp_path / "text.nemo").write_text("<html>Not found</html>" * 100)
    with pytest.raises(ArchiveUnsafe, match="no tar archive"):
        extract_members(tmp_path / "text.nemo", tmp_path / "into", all_files, LIMIT)


def test_the_disk_is_checked_before_and_while_it_fills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (MEGABYTES + 1) * 10**6
    archive = hostile(tmp_path / "large.nemo", member("weights", size))
    with small_disk(tmp_path / "disk") as disk:
        with pytest.raises(DiskFull, match="MB are needed"):
            extract_members(archive, disk / "into", all_files, 10 * size)
        assert not list(disk.iterdir())
        monkeypatch.setattr(archives, "need_space", lambda folder, size: None)
        with pytest.raises(DiskFull, match="became full"):
            extract_members(archive, disk / "into", all_files, 10 * size)
        assert not list(disk.iterdir())


def test_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest: Callable[..., IO[bytes] | None] = tarfile.TarFile.extractfile

    def interrupted(self: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes] | None:
        if info.name.endswith(".ckpt"):
            raise KeyboardInterrupt
        return honest(self, info)

    monkeypatch.setattr(tarfile.TarFile, "extractfile", interrupted)
    with pytest.raises(KeyboardInterrupt):
        extract_members(packed(tmp_path / "model.nemo"), tmp_path / "into", all_files, LIMIT)
    assert not (tmp_path / "into").exists()


def test_other_failures_of_writing_are_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    into = tmp_path / "into"
    into.mkdir()
    (into / "model_config.yaml").write_text("mine")
    with pytest.raises(OSError, match="exists") as caught:
        extract_members(packed(tmp_path / "model.nemo"), into, all_files, LIMIT)
    assert caught.value.errno == errno.EEXIST
    assert everything(into) == {"model_config.yaml": b"mine"}
