"""model.json as a document: read it, change it, write it whole."""

import json
from pathlib import Path
from typing import Any

from shrutlekh_contract.model_card import FILE_NAME, ModelCard, read_entries

from speech import sha256


def read_description(folder: Path) -> dict[str, Any]:
    """Read the entries of a folder's model.json, in its order and unknown ones too.

    Raises:
        OSError: there is none.
        ModelCardInvalid: it breaks the format.
    """
    entries = read_entries(folder)
    ModelCard.of(entries, folder / FILE_NAME)
    return entries


def write_description(folder: Path, entries: dict[str, Any]) -> None:
    """Replace model.json in one step, with `files` naming the digest of every other file but notes (.md).

    Raises:
        ModelCardInvalid: the entries break the format; the old file stays.
    """
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith((FILE_NAME, ".")) and path.suffix != ".md"
    )
    entries = {**entries, "files": {name: sha256(folder / name) for name in names}}
    ModelCard.of(entries, folder / FILE_NAME)
    part = folder / f"{FILE_NAME}.part"
    part.write_text(json.dumps(entries, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    part.replace(folder / FILE_NAME)


def record_evaluation(folder: Path, measured: dict[str, Any]) -> None:
    """Keep `measured` in model.json, in place of a figure for the same set, decoder and normaliser."""
    entries = read_description(folder)
    same = ("set", "decoder", "normaliser")
    kept = [e for e in entries.get("evaluation", []) if any(e.get(k) != measured[k] for k in same)]
    write_description(folder, {**entries, "evaluation": [*kept, measured]})
