"""The recordings that a command line names, and the output path of each."""

# Strings instead of Path objects: there may be a hundred thousand of them.
# ruff: noqa: PTH113, PTH118, PTH119, PTH120, PTH122, PTH208

import functools
import hashlib
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from shrutlekh_contract.formats import FORMATS

from shrutlekh.errors import ClientError

EXTENSIONS = frozenset(
    f".{name}"
    for name in (
        *(
            "wav",
            "flac",
            "ogg",
            "oga",
            "opus",
            "mp3",
            "m4a",
            "aac",
            "amr",
            "awb",
            "webm",
            "mp4",
            "mkv",
            "mov",
        ),
        *("3gp", "wma", "aif", "aiff", "caf", "au"),
    )
)
OUTPUT_EXTENSIONS = (".png", *(f".{name}" for name in FORMATS))


class PathNotFound(ClientError):
    """A path of the command line does not exist."""

    code = "path_not_found"


class Recording(NamedTuple):
    """A recording, and the path of its outputs without their extension."""

    source: str
    output: str


class _Found(NamedTuple):
    """A recording and its path below the named folder, or just its name if the file itself was named."""

    source: str
    relative: str


def plan(
    paths: Iterable[Path], out: Path | None = None, warn: Callable[[str], None] = lambda _: None
) -> list[Recording]:
    """Find the recordings that ``paths`` name: sorted, each once, each with a different output.

    Outputs lie beside the recordings, or under ``out`` in the same subfolders as below the named path. An
    output has the recording's name without the extension. Recordings of one folder that differ only in their
    extension (``a.wav``, ``a.mp3``) keep it, even if only one of them is named. If names still collide, for
    example from several folders under one ``out``, a hash of the recording's full path is added. So names do
    not depend on the order of ``paths``, and an output never replaces another output or a recording.

    Args:
        warn: called with a sentence for each folder that cannot be read.

    Raises:
        PathNotFound: a path does not exist.
    """
    found: dict[str, _Found] = {}
    for path in paths:
        for item in _below(path, warn):
            entry = _entry(item.source)
            if entry not in found or len(item.relative) > len(found[entry].relative):
                found[entry] = item
    items = sorted(found.values(), key=lambda item: os.path.split(item.source))
    return [Recording(item.source, output) for item, output in zip(items, _outputs(items, out), strict=True)]


def is_recording(name: str) -> bool:
    """Return whether a file name has the extension of a recording and is not hidden."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in EXTENSIONS


def _below(path: Path, warn: Callable[[str], None]) -> Iterator[_Found]:
    if not path.is_dir():
        if not path.exists():
            raise PathNotFound(f"There is no file or folder {path}.")
        yield _Found(str(path), path.name)
        return
    walk = os.walk(path, onerror=lambda error: warn(f"The folder {error.filename} cannot be read."))
    for folder, folders, names in walk:
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in filter(is_recording, names):
            source = os.path.join(folder, name)
            if os.path.isfile(source):
                yield _Found(source, os.path.relpath(source, path))


def _outputs(items: list[_Found], out: Path | None) -> list[str]:
    """Return a distinct output for each item: colliding names are made longer until none collide."""
    recordings = {_key(item.source) for item in items}
    lengths = [1 if shared else 0 for shared in _stems_shared(items)]
    outputs = [_output(item, out, length) for item, length in zip(items, lengths, strict=True)]
    while True:
        claims = defaultdict(list)
        for index, output in enumerate(outputs):
            claims[_key(output)].append(index)
        meeting = [
            index
            for key, indices in claims.items()
            if len(indices) > 1 or any(key + extension in recordings for extension in OUTPUT_EXTENSIONS)
            for index in indices
        ]
        if not meeting:
            return outputs
        for index in meeting:
            lengths[index] += 1
            outputs[index] = _output(items[index], out, lengths[index])


def _output(item: _Found, out: Path | None, length: int) -> str:
    """Return the output's path in its ``length``-th form. Each form is longer than the preceding one."""
    place = item.source if out is None else os.path.join(out, item.relative)
    if length == 0:
        return os.path.splitext(place)[0]
    if length == 1:
        return place
    digest = hashlib.sha256(os.fsencode(_entry(item.source))).hexdigest()
    return f"{place}-{digest[: 4 + 2 * length]}"


def _stems_shared(items: list[_Found]) -> Iterator[bool]:
    """Yield for each item whether another recording in its folder differs only in the extension."""
    for folder, group in groupby(items, lambda item: os.path.dirname(item.source)):
        try:
            names = os.listdir(folder or os.curdir)
        except OSError:  # a folder may allow reading its files but not listing them
            names = []
        stems = Counter(_normal(os.path.splitext(name)[0]) for name in names if is_recording(name))
        for item in group:
            name = os.path.basename(item.source)
            yield stems[_normal(os.path.splitext(name)[0])] > is_recording(name)


def _entry(path: str) -> str:
    """Return the absolute, normalised path of a folder's entry. A symbolic link is not resolved."""
    folder, name = os.path.split(path)
    return os.path.join(_real_folder(folder), name)


@functools.lru_cache(maxsize=4096)
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)


def _key(path: str) -> str:
    return _normal(_entry(path))


def _normal(name: str) -> str:
    """Normalise a name so that names compare equal if any common file system treats them as equal."""
    return unicodedata.normalize("NFC", name).casefold()
