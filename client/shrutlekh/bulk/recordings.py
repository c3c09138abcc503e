"""The recordings that a command line names, and the output path of each."""

# Strings instead of Path objects: there may be a hundred thousand of them.
# ruff: noqa: PTH113, PTH118, PTH119, PTH122, PTH208

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
JOB_EXTENSION = ".job"  # of the file that names an unfinished recording's job
OUTPUT_EXTENSIONS = (".png", *(f".{name}" for name in FORMATS), JOB_EXTENSION)
# Names of outputs, each longer than the one before. From DIGEST on, each is still longer.
STEM, WHOLE_NAME, DIGEST = range(3)


class PathNotFound(ClientError):
    """A path of the command line does not exist."""

    code = "path_not_found"


class Recording(NamedTuple):
    """A recording, and the path of its outputs without their extension.

    Attributes:
        place: the path of the outputs if their name is the recording's whole name.
    """

    source: str
    output: str
    place: str

    @property
    def name(self) -> str:
        """The recording's name without its folder, as printable text."""
        return os.fsencode(os.path.basename(self.source)).decode("utf-8", "replace")

    @property
    def is_beside_outputs(self) -> bool:
        """Whether the outputs lie in the recording's folder."""
        return self.place == self.source

    def other_outputs(self) -> Iterator[str]:
        """Yield the paths that the outputs would have if other recordings lay beside this one."""
        for length in (STEM, WHOLE_NAME, DIGEST):
            if (output := _output(self.source, self.place, length)) != self.output:
                yield output


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
    extension (``a.wav``, ``a.mp3``) keep it, even if only one of them is named. If names still collide, a
    hash of the recording's full path is added: names that some file systems treat as equal (``A.wav``,
    ``a.wav``), or names from several folders under one ``out``. So names do not depend on the order of
    ``paths``, and an output never replaces another output or a recording.

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
    places = [item.source if out is None else os.path.join(out, item.relative) for item in items]
    outputs = _outputs([item.source for item in items], places)
    return [
        Recording(item.source, output, place)
        for item, output, place in zip(items, outputs, places, strict=True)
    ]


def is_recording(name: str) -> bool:
    """Return whether a file name has the extension of a recording and is not hidden."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in EXTENSIONS


def same_name(one: str, other: str) -> bool:
    """Return whether some common file system treats two names as equal."""
    return _normal(one) == _normal(other)


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


def _outputs(sources: list[str], places: list[str]) -> list[str]:
    """Return a distinct output for each recording: colliding names are made longer until none collide."""
    recordings = set(map(_key, sources))
    lengths = list(_lengths(sources))
    outputs = list(map(_output, sources, places, lengths))
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
            outputs[index] = _output(sources[index], places[index], lengths[index])


def _output(source: str, place: str, length: int) -> str:
    """Return the output's path in its ``length``-th form. Each form is longer than the preceding one."""
    if length == STEM:
        return os.path.splitext(place)[0]
    if length == WHOLE_NAME:
        return place
    digest = hashlib.sha256(os.fsencode(_entry(source))).hexdigest()
    return f"{place}-{digest[: 4 + 2 * length]}"


def _lengths(sources: list[str]) -> Iterator[int]:
    """Yield for each recording how long its output's name must be because of the others in its folder."""
    for folder, group in groupby(sources, os.path.dirname):
        try:
            listed = os.listdir(folder or os.curdir)
        except OSError:  # a folder may allow reading its files but not listing them
            listed = []
        names = Counter(_normal(name) for name in listed if is_recording(name))
        stems = Counter(os.path.splitext(name)[0] for name in names.elements())
        for source in group:
            name = _normal(os.path.basename(source))
            itself = is_recording(name)
            if names[name] > itself:
                yield DIGEST
            else:
                yield WHOLE_NAME if stems[os.path.splitext(name)[0]] > itself else STEM


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
