"""Manifests: TSV files with a header and one recording with its text per line."""

import csv
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

NAMED = 10  # missing files that a message names


@dataclass(frozen=True, slots=True)
class Entry:
    """A recording with its text, speaker, gender of the speaker and language ("" if unknown).

    `line` is its line in the manifest, counted from 1; 0 if it comes from elsewhere.
    """

    path: Path
    text: str
    speaker: str
    gender: str = ""
    language: str = ""
    line: int = field(default=0, compare=False)


def read_manifest(path: Path, speakers: Collection[str] = ()) -> list[Entry]:
    """Read the entries of a manifest, only those of `speakers` if any are given.

    The columns path (relative to the manifest) and text are required; speaker, gender and language are
    optional. A byte order mark, CRLF and backslashes in paths, as Windows writes them, are accepted.

    Raises:
        ValueError: a column is missing, a row is incomplete, or the file is not UTF-8 text.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            return [e for e in _entries(path, handle) if not speakers or e.speaker in speakers]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text. Save it as UTF-8.") from error


def _entries(path: Path, lines: Iterable[str]) -> Iterator[Entry]:
    reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    missing = {"path", "text"} - set(reader.fieldnames or ())
    if missing:
        raise ValueError(f"{path} lacks the column {', '.join(sorted(missing))}.")
    for row in reader:
        if not row["path"] or row["text"] is None:
            raise ValueError(f"{path} line {reader.line_num} is not whole.")
        speaker, gender, language = (row.get(column) or "" for column in ("speaker", "gender", "language"))
        recording = _located(path.parent, row["path"])
        yield Entry(recording, row["text"], speaker, gender, language, reader.line_num)


def require_recordings(entries: Iterable[Entry]) -> None:
    """Check that all recordings exist, so that a long run does not end at one of them.

    Raises:
        FileNotFoundError: some do not. The message names the first ones.
    """
    entries = list(entries)
    absent = [str(entry.path) for entry in entries if not entry.path.is_file()]
    if absent:
        raise FileNotFoundError(
            f"{len(absent)} of {len(entries)} recordings do not exist: {first_of(absent)}."
        )


def first_of(names: Sequence[str]) -> str:
    """List the first names, and how many there are besides."""
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _located(folder: Path, written: str) -> Path:
    """Return the path of a recording, whose name on POSIX may contain a backslash."""
    path = folder / written
    return folder / written.replace("\\", "/") if "\\" in written and not path.exists() else path
