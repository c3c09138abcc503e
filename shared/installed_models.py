"""Find installed models and read their ``model.json``, without loading them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shrutlekh_contract.decoders import GREEDY, decoders_of
from shrutlekh_contract.model_card import FILE_NAME, ModelCard, ModelCardInvalid
from shrutlekh_contract.models_folder import MODEL_NAME

from shared.errors import ModelNotInstalled

Stamp = tuple[int, int, int]
"""Inode, time of change and size of a model.json: another one means that the model was replaced."""


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
    default_decoder: str


def find_model(models_dir: Path, name: str) -> Path:
    """Return the folder of the installed model ``name``.

    Raises:
        ModelNotInstalled: no such model is installed.
    """
    folder = models_dir / name
    if not MODEL_NAME.fullmatch(name) or not (folder / FILE_NAME).is_file():
        installed = ", ".join(model.name for model in installed_models(models_dir)) or "none"
        raise ModelNotInstalled(f"The requested model is not installed. Installed: {installed}.")
    return folder


def stamp_of(folder: Path) -> Stamp | None:
    """Return the stamp of a model folder; None if it has no model.json."""
    try:
        stat = (folder / FILE_NAME).stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def installed_models(models_dir: Path) -> list[InstalledModel]:
    """List the installed models by name. Folders without a valid ``model.json`` are skipped."""
    folders = sorted(path.parent for path in models_dir.glob(f"*/{FILE_NAME}"))
    return [model for model in map(read_card, folders) if model is not None]


def read_card(folder: Path) -> InstalledModel | None:
    """Read ``model.json`` of a model folder. None if it is missing or invalid."""
    try:
        card = ModelCard.read(folder)
    except (OSError, ModelCardInvalid):
        return None
    decoders = decoders_of(folder)
    named = card.decoding.get("decoder")
    return InstalledModel(
        name=folder.name,
        language=card.language,
        sample_rate=card.sample_rate,
        licence=card.licence,
        description=card.description,
        evaluation=card.evaluation,
        decoders=decoders,
        default_decoder=named if named in decoders else GREEDY,
    )
