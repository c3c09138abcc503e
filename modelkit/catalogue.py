"""The models of a models folder: what is there, which one is the default, and how one is removed."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shrutlekh_contract.model_card import FILE_NAME, ModelCard, ModelCardInvalid
from shrutlekh_contract.models_folder import DEFAULT_FILE, MODEL_NAME, default_model_of

from modelkit.errors import IsDefault, NotInstalled


@dataclass(frozen=True, slots=True)
class Listed:
    """A folder of the models folder.

    Attributes:
        card: None if model.json is invalid; `complaint` then says why.
        bytes: of all files, also hidden ones.
    """

    name: str
    path: Path
    card: ModelCard | None
    complaint: str
    bytes: int
    is_default: bool


def listed(models: Path) -> list[Listed]:
    """Return the models by name, also those with an invalid model.json."""
    default = default_model_of(models)
    folders = sorted(path.parent for path in models.glob(f"*/{FILE_NAME}"))
    return [_listed(folder, default) for folder in folders if MODEL_NAME.fullmatch(folder.name)]


def _listed(folder: Path, default: str) -> Listed:
    card, complaint = None, ""
    try:
        card = ModelCard.read(folder)
    except (OSError, ModelCardInvalid) as error:
        complaint = str(error)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Listed(folder.name, folder, card, complaint, size, folder.name == default)


def installed(models: Path, name: str) -> Path:
    """Return the folder of an installed model.

    Raises:
        NotInstalled: there is none of that name.
    """
    folder = models / name
    if not MODEL_NAME.fullmatch(name) or not (folder / FILE_NAME).is_file():
        names = ", ".join(model.name for model in listed(models)) or "none"
        raise NotInstalled(f"{name} is not installed in {models}. Installed: {names}.")
    return folder


def make_default(models: Path, name: str) -> None:
    """Record the default model. Services read it when they start.

    Raises:
        NotInstalled: there is no model of that name.
    """
    installed(models, name)
    part = models / f".{DEFAULT_FILE}.part"
    part.write_text(f"{name}\n", encoding="utf-8")
    part.replace(models / DEFAULT_FILE)


def remove(models: Path, name: str) -> None:
    """Delete a model. Its folder disappears at once, before its files are deleted.

    Raises:
        NotInstalled: there is no model of that name.
        IsDefault: jobs that name no model use it.
    """
    folder = installed(models, name)
    if name == default_model_of(models):
        raise IsDefault(
            f"{name} is the default model. First make another one the default: shrutlekh models default NAME."
        )
    away = Path(tempfile.mkdtemp(prefix=f".{name}.removed-", dir=models))
    folder.rename(away / name)
    shutil.rmtree(away)


def best_wer(card: ModelCard) -> Mapping[str, Any] | None:
    """Return the measurement with the lowest WER among those of the first set that was measured."""
    measured = [entry for entry in card.evaluation if isinstance(entry.get("wer"), float)]
    first = [entry for entry in measured if entry.get("set") == measured[0].get("set")]
    return min(first, key=lambda entry: float(entry["wer"]), default=None)
