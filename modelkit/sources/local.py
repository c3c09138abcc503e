"""Models from a folder or a file of this machine."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from modelkit.errors import SourceInvalid, SourceNotFound
from modelkit.families.protocol import Listing
from modelkit.sources.configuration import CONFIG, read_config
from modelkit.sources.disk import full_disk_told, need_space
from modelkit.sources.names import is_safe
from modelkit.sources.protocol import Progress, Provenance

BLOCK: Final = 2**20  # bytes copied at once


class _Local:
    """Files that are copied: a conversion may change its own copy, and the user's files stay as they are."""

    kind: str
    revision = None
    licence = None

    def __init__(self, path: Path) -> None:
        self._path = path
        self.id = path.resolve().name

    def _files(self) -> dict[str, Path]:
        raise NotImplementedError

    def listing(self) -> Listing:
        files = self._files()
        sizes = {name: path.stat().st_size for name, path in files.items()}
        return Listing(sizes, read_config(files[CONFIG]) if CONFIG in files else {})

    def fetch(
        self, names: Sequence[str], into: Path, progress: Progress = lambda *_: None, reserve: int = 0
    ) -> Provenance:
        files = self._files()
        if missing := set(names) - files.keys():
            raise SourceNotFound(f"There is no file {min(missing)} in {self._path}.")
        total = sum(files[name].stat().st_size for name in names)
        into.mkdir(parents=True, exist_ok=True)
        need_space(into, total + reserve)
        done = 0

        def advance(size: int) -> None:
            nonlocal done
            done += size
            progress(done, total)

        with full_disk_told(into):
            digests = {name: _copy(files[name], into / name, advance) for name in names}
        return Provenance(self.kind, self.id, files=digests)


class FolderSource(_Local):
    """A folder, with the files below it. Hidden ones are left out; links are followed to files."""

    kind = "folder"

    def _files(self) -> dict[str, Path]:
        files = {}
        for path in sorted(self._path.rglob("*")):
            parts = path.relative_to(self._path).parts
            if not path.is_file() or any(part.startswith(".") for part in parts):
                continue
            name = "/".join(parts)
            if not is_safe(name):
                raise SourceInvalid(f"The file name {name!a} cannot be used: rename the file.")
            files[name] = path
        return files


class FileSource(_Local):
    """A single file, such as a `.nemo` archive."""

    kind = "file"

    def _files(self) -> dict[str, Path]:
        if not is_safe(self.id):
            raise SourceInvalid(f"The file name {self.id!a} cannot be used: rename the file.")
        return {self.id: self._path}


def _copy(source: Path, target: Path, advance: Callable[[int], None]) -> str:
    """Copy a file. Returns its sha256."""
    digest = hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as origin, target.open("wb") as copy:
        while block := origin.read(BLOCK):
            copy.write(block)
            digest.update(block)
            advance(len(block))
    return digest.hexdigest()
