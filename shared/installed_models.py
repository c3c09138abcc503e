"""What the service knows of an installed model without loading it: is it there, what does it say."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shrutlekh_contract.decoders import decoders_of

from shared.errors import ModelNotInstalled

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model folder as its ``model.json`` describes it."""

    name: str
    language: str
    sample_rate: int
    licence: str
    description: str
    evaluation: list[dict[str, Any]]
    decoders: tuple[str, ...]


def find_model(models_dir: Path, name: str) -> Path:
    """Folder of the installed model ``name``.

    Raises:
        ModelNotInstalled: there is none.
    """
    folder = models_dir / name
    if not NAME.fullmatch(name) or not (folder / "model.json").is_file():
        installed = ", ".join(model.name for model in installed_models(models_dir)) or "none"
        raise ModelNotInstalled(f"The model asked for is not installed. Installed: {installed}.")
    return folder


def installed_models(models_dir: Path) -> list[InstalledModel]:
    """All installed models, by name. Folders without a readable ``model.json`` are passed over."""
    folders = sorted(path.parent for path in models_dir.glob("*/model.json"))
    return [model for model in map(read_card, folders) if model is not None]


def read_card(folder: Path) -> InstalledModel | None:
    """What a model folder says of itself; None if it has no readable ``model.json``."""
    try:
        card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        return InstalledModel(
            name=folder.name,
            language=str(card["language"]),
            sample_rate=int(card["sample_rate"]),
            licence=str(card["licence"]),
            description=str(card.get("description", "")),
            evaluation=list(card.get("evaluation", [])),
            decoders=decoders_of(folder),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
