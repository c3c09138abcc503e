"""Model folders of this project: nothing to convert."""

import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from shrutlekh_contract.model_card import FILE_NAME, ModelCardInvalid

from modelkit.description import read_description
from modelkit.errors import SourceInvalid
from modelkit.families.protocol import Listing, Wishes
from speech import sha256


class ModelFolders:
    """A folder with model.json, in the format of docs/model-folder.md."""

    name = "model folder"

    def wanted(self, listing: Listing) -> Sequence[str] | None:
        if FILE_NAME not in listing.sizes:
            return None
        return [name for name in listing.sizes if not _is_hidden(name)]

    def convert(self, source: Path, target: Path, _: Wishes) -> dict[str, Any]:
        try:
            entries = read_description(source)
        except ModelCardInvalid as error:
            raise SourceInvalid(str(error)) from error
        for path in source.rglob("*"):
            name = path.relative_to(source).as_posix()
            if path.is_file() and name != FILE_NAME and not _is_hidden(name):
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target / name)
        self._check_digests(entries, target)
        return entries

    def _check_digests(self, entries: dict[str, Any], target: Path) -> None:
        for name, digest in entries.get("files", {}).items():
            path = target / name
            if not path.is_file():
                raise SourceInvalid(f"{FILE_NAME} lists {name}, which the source lacks.")
            if sha256(path) != digest.lower():
                raise SourceInvalid(f"{name} is not the file that {FILE_NAME} describes.")


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(name).parts)


FAMILY = ModelFolders()
