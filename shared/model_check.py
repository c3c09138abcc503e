"""Refuse a model that no worker of this version can load, as far as its folder tells without loading it."""

from functools import lru_cache
from pathlib import Path
from typing import Final

from shrutlekh_contract.model_card import ModelCard, ModelCardInvalid

from shared.errors import ModelBroken
from shared.installed_models import Stamp, stamp_of

FAMILIES: Final = frozenset({"ctc", "whisper"})
"""Families that workers of this version run, if the packages that these need are installed. A test compares
them with `speech.recognisers`, which this package may not import."""


def require_usable(folder: Path) -> None:
    """Check the card of an installed model, and that the files it lists are there. Digests are not checked.

    A front end may have cards alone: a folder with none of its files is fine.

    Raises:
        ModelBroken: model.json is invalid or of an unknown family, or some of the files are missing.
    """
    stamp = stamp_of(folder)
    card = _card_of(folder, stamp)
    if isinstance(card, str):
        raise ModelBroken(card)
    if card.family not in FAMILIES:
        raise ModelBroken(
            f"The requested model is of the family {card.family!r}, which this version does not run."
        )
    listed = [name for name in card.files if not name.endswith(".json")]
    missing = [name for name in listed if not (folder / name).is_file()]
    if not missing or len(missing) == len(listed):
        return None
    if stamp_of(folder) != stamp:  # replaced in the middle of the check
        return require_usable(folder)
    raise ModelBroken(f"The folder of the requested model lacks {missing[0]}, which its model.json lists.")


@lru_cache(maxsize=64)
def _card_of(folder: Path, _stamp: Stamp | None) -> ModelCard | str:
    """Return the card, or what is wrong with it. It is read again when it was replaced."""
    try:
        return ModelCard.read(folder)
    except OSError:
        return "The folder of the requested model has no model.json that can be read."
    except ModelCardInvalid as error:
        return str(error).replace(f"{folder}/", "")  # clients need not know where it is
