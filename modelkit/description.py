"""Read and write model.json as a document, including unknown entries."""

import json
from pathlib import Path
from typing import Any

from shrutlekh_contract.model_card import FILE_NAME, ModelCard, read_entries

from speech.model_folder import sha256


def read_description(folder: Path) -> dict[str, Any]:
    """Read the entries of a folder's model.json in file order, including unknown ones.

    Raises:
        OSError: the file does not exist.
        ModelCardInvalid: it violates the format.
    """
    entries = read_entries(folder)
    ModelCard.of(entries, folder / FILE_NAME)
    return entries


def write_description(folder: Path, entries: dict[str, Any]) -> None:
    """Replace model.json atomically. `files` gets the digests of all other files except notes (.md).

    Raises:
        ModelCardInvalid: the entries violate the format. The old file is kept.
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
    """Record `measured` in model.json, replacing the figures for the same set, decoder and normaliser."""
    entries = read_description(folder)
    same = ("set", "decoder", "normaliser")
    kept = [e for e in entries.get("evaluation", []) if any(e.get(k) != measured[k] for k in same)]
    write_description(folder, {**entries, "evaluation": [*kept, measured]})
