"""Manifests: TSV files with a header and one recording with its text per line."""

import csv
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Entry:
    """A recording with its text, speaker, gender of the speaker and language ("" if unknown)."""

    path: Path
    text: str
    speaker: str
    gender: str = ""
    language: str = ""


def read_manifest(path: Path, speakers: Collection[str] = ()) -> list[Entry]:
    """Read the entries of a manifest, only those of `speakers` if any are given.

    The columns path (relative to the manifest) and text are required; speaker, gender and language are
    optional.

    Raises:
        ValueError: a column is missing or a row is incomplete.
    """
    with path.open(encoding="utf-8", newline="") as handle:
        reader = csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE)
        missing = {"path", "text"} - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"{path} lacks the column {', '.join(sorted(missing))}.")
        entries = []
        for row in reader:
            if not row["path"] or row["text"] is None:
                raise ValueError(f"{path} line {reader.line_num} is not whole.")
            told = (row.get(column) or "" for column in ("speaker", "gender", "language"))
            entries.append(Entry(path.parent / row["path"], row["text"], *told))
    return [e for e in entries if not speakers or e.speaker in speakers]
