"""Find installed models and read their ``model.json``, without loading them."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import ModelNotInstalled

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
LANGUAGE_MODEL = "lm"  # subfolder of a model folder; beam search needs it


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model folder as its ``model.json`` describes it."""

    name: str
    language: str
    sample_rate: int
    licence: str
    description: str
    evaluation: list[dict[str, Any]]
    decoders: list[str]


def find_model(models_dir: Path, name: str) -> Path:
    """Return the folder of the installed model ``name``.

    Raises:
        ModelNotInstalled: no such model is installed.
    """
    folder = models_dir / name
    if not NAME.fullmatch(name) or not (folder / "model.json").is_file():
        installed = ", ".join(model.name for model in installed_models(models_dir)) or "none"
        raise ModelNotInstalled(f"The requested model is not installed. Installed: {installed}.")
    return folder


def decoders_of(folder: Path) -> list[str]:
    """List the decoders that the model in ``folder`` supports.

    The folder may hold only the model's description, as on API machines, so the language model's files are
    not checked.
    """
    return ["greedy", "beam"] if (folder / LANGUAGE_MODEL).is_dir() else ["greedy"]


def installed_models(models_dir: Path) -> list[InstalledModel]:
    """List the installed models by name. Folders without a readable ``model.json`` are skipped."""
    folders = sorted(path.parent for path in models_dir.glob("*/model.json"))
    return [model for model in map(read_card, folders) if model is not None]


def read_card(folder: Path) -> InstalledModel | None:
    """Read ``model.json`` of a model folder. None if it is missing or malformed."""
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
