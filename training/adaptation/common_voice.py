"""Manifests from a folder of Mozilla Common Voice, as it is unpacked: `clips/` and a TSV for each split."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.adaptation.survey import HINDI, write_rows

EVALUATION_SPLITS = ("dev", "test")
COLUMNS = {"client_id", "path", "sentence"}
_SPEAKER_DIGITS = 16
"""Digits of a client_id that are kept: enough to tell speakers apart in a table."""


@dataclass(frozen=True, slots=True)
class Row:
    """A clip: file name in `clips/`, sentence, and the speaker's id."""

    clip: str
    sentence: str
    speaker: str


def located(folder: Path) -> Path:
    """Return the folder that has `clips/`: `folder`, or its only such subfolder (`cv-corpus-N/hi`).

    Raises:
        FileNotFoundError: there is none, or several.
    """
    found = [path.parent for path in (folder / "clips", *folder.glob("*/clips"), *folder.glob("*/*/clips"))
             if path.is_dir()]  # fmt: skip
    if len(found) != 1:
        raise FileNotFoundError(
            f"{folder} has several languages of Common Voice. Name one, such as {found[0]}."
            if found
            else f"{folder} is not a folder of Common Voice: it has no clips/ beside TSV files."
        )
    return found[0]


def read_split(folder: Path, split: str) -> list[Row]:
    """Read a split of Common Voice, such as "train"; an empty list if the folder lacks an evaluation split.

    Raises:
        FileNotFoundError: the folder does not have the split.
        ValueError: the file lacks a column, or is not UTF-8 text.
    """
    path = folder / f"{split}.tsv"
    if not path.is_file():
        if split in EVALUATION_SPLITS:
            return []
        there = ", ".join(sorted(other.stem for other in folder.glob("*.tsv"))) or "none"
        raise FileNotFoundError(f"{folder} has no {split}.tsv. Its splits: {there}.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            return list(_rows(path, handle))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text.") from error


def _rows(path: Path, lines: Iterator[str]) -> Iterator[Row]:
    reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    missing = COLUMNS - set(reader.fieldnames or ())
    if missing:
        raise ValueError(f"{path} lacks the column {', '.join(sorted(missing))}.")
    for row in reader:
        if not row["path"] or row["sentence"] is None:
            raise ValueError(f"{path} line {reader.line_num} is not complete.")
        name = row["path"] if Path(row["path"]).suffix else f"{row['path']}.mp3"
        yield Row(name, " ".join(row["sentence"].split()), row["client_id"][:_SPEAKER_DIGITS])


def training_rows(folder: Path, split: str) -> list[Row]:
    """Return the clips of `split` without clips and speakers of Common Voice's own dev and test splits."""
    kept_away = [row for other in EVALUATION_SPLITS if other != split for row in read_split(folder, other)]
    clips, speakers = {row.clip for row in kept_away}, {row.speaker for row in kept_away}
    return [row for row in read_split(folder, split) if row.clip not in clips and row.speaker not in speakers]


def write_manifest(folder: Path, rows: list[Row], path: Path) -> None:
    """Write rows as a manifest with absolute paths, atomically."""
    write_rows(
        path,
        ("path", "text", "speaker", "language"),
        ([(folder / "clips" / row.clip).resolve(), row.sentence, row.speaker, HINDI] for row in rows),
    )
