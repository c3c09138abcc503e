"""Extract files from a tar archive of unknown origin, such as a `.nemo` file."""

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Final, cast

from modelkit.errors import ArchiveUnsafe, SourceNotFound
from modelkit.sources.disk import full_disk_told, need_space
from modelkit.sources.names import is_safe

MAX_MEMBERS: Final = 10_000  # a .nemo file of 22 languages has about 100
MAX_READ: Final = 2**16  # bytes read at once, and so the largest extended header that is accepted
GZIP: Final = b"\x1f\x8b"
DAMAGED: Final = (
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    ValueError,
    OverflowError,
    RecursionError,
)
"""What tarfile and gzip raise for bytes that are no archive."""


def extract_members(
    archive: Path, into: Path, wanted: Callable[[str], bool], limit_bytes: int
) -> dict[str, Path]:
    """Extract the wanted files of a tar archive, plain or compressed with gzip.

    All members are checked before the first file is written. Owners, permissions and times are not kept.

    Args:
        into: folder of the files; made if it is missing. None of the files may exist in it.
        wanted: called with the name of each file, without a leading "./".
        limit_bytes: the most bytes that all members may have together, the unwanted ones included.

    Returns:
        The extracted file by name.

    Raises:
        SourceNotFound: there is no such archive.
        ArchiveUnsafe: it is damaged or truncated, has too many or too large members, two members of one name,
            a member that is neither a plain file nor a folder, or one whose name leads out of the folder.
            Nothing is left in `into`.
        DiskFull: the files do not fit.
    """
    if not archive.is_file():
        raise SourceNotFound(f"There is no archive {archive}.")
    written: list[Path] = []
    try:
        with archive.open("rb") as raw, _refusals_name(archive):
            tar, file = _open(raw)
            members = _check(tar, file, into, limit_bytes)
            chosen = {name: member for name, member in members.items() if wanted(name)}
            _make_folder(into, written)
            need_space(into, sum(member.size for member in chosen.values()))
            with full_disk_told(into):
                return {name: _extract(tar, chosen[name], into / name, written) for name in chosen}
    except BaseException:
        _remove(written)
        raise


@contextmanager
def _refusals_name(archive: Path) -> Iterator[None]:
    """Raise `ArchiveUnsafe` with the archive's name for all that is wrong with it."""
    try:
        yield
    except DAMAGED as error:
        raise ArchiveUnsafe(f"{archive.name} is damaged, or no tar archive: {error}") from error
    except ArchiveUnsafe as error:
        raise ArchiveUnsafe(f"{archive.name} is refused: {error.message}") from error


class _Bounded:
    """File that is read in small pieces only: tarfile allocates what an extended header claims to be long.

    Attributes:
        last: what was read last.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek = file.seek
        self.tell = file.tell
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_READ:
            raise ArchiveUnsafe(f"it has a header of {size} bytes")
        self.last = self._file.read(size)
        return self.last


def _open(raw: IO[bytes]) -> tuple[tarfile.TarFile, _Bounded]:
    packed = raw.read(len(GZIP)) == GZIP
    raw.seek(0)
    file = _Bounded(cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if packed else raw)
    return tarfile.TarFile(fileobj=cast("IO[bytes]", file)), file


def _check(tar: tarfile.TarFile, file: _Bounded, into: Path, limit_bytes: int) -> dict[str, tarfile.TarInfo]:
    """Read and check all headers. Returns the plain files by name."""
    files: dict[str, tarfile.TarInfo] = {}
    folders: set[str] = set()
    total = 0
    for count, member in enumerate(tar, start=1):
        total += member.size
        if count > MAX_MEMBERS:
            raise ArchiveUnsafe(f"it has more than {MAX_MEMBERS} members")
        if member.size < 0 or total > limit_bytes:
            raise ArchiveUnsafe(f"unpacked it has more than {limit_bytes} bytes")
        name = member.name.removeprefix("./")
        if member.isdir() and name == ".":
            continue
        _check_member(member, name, into)
        if name in files:
            raise ArchiveUnsafe(f"two members have the name {name}")
        folders.update(str(parent) for parent in PurePosixPath(name).parents)
        if member.isdir():
            folders.add(name)
        else:
            files[name] = member
    if file.last != bytes(tarfile.BLOCKSIZE):  # tarfile also ends at a damaged header
        raise ArchiveUnsafe("it is truncated, or a header is damaged")
    if len(file.read(MAX_READ)) == MAX_READ:  # gzip compares its checksum here
        raise ArchiveUnsafe("something follows its end")
    if both := folders & files.keys():
        raise ArchiveUnsafe(f"{min(both)} is a file and a folder")
    return files


def _check_member(member: tarfile.TarInfo, name: str, into: Path) -> None:
    if not is_safe(name):
        raise ArchiveUnsafe(f"the name {member.name[:100]!a} leads out of the folder, or cannot be a file's")
    if member.issparse() or not (member.isfile() or member.isdir()):
        raise ArchiveUnsafe(f"{name} is a link, a device or a sparse file")
    if hasattr(tarfile, "data_filter"):  # from Python 3.11.4
        tarfile.data_filter(member, str(into))


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path, written: list[Path]) -> Path:
    _make_folder(path.parent, written)
    with cast("IO[bytes]", tar.extractfile(member)) as source, path.open("xb") as file:
        written.append(path)
        while block := source.read(MAX_READ):
            file.write(block)
    return path


def _make_folder(folder: Path, written: list[Path]) -> None:
    """Make a folder and its parents, and note the new ones."""
    if not folder.is_dir():
        _make_folder(folder.parent, written)
        folder.mkdir()
        written.append(folder)


def _remove(written: list[Path]) -> None:
    for path in reversed(written):
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
