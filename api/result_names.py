"""Names of the files in an archive of results: safe on every system, and no two alike."""

import re
import unicodedata
from collections.abc import Iterable

# The longest name that Linux takes, in bytes of UTF-8, less room for a number and an extension.
LONGEST_BYTES = 200

_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)", re.IGNORECASE)


class ResultNames:
    """Gives each recording of a batch a name for its results, without extension.

    Args:
        reserved: names that no recording gets.
    """

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._taken: set[str] = set(reserved)

    def name_of(self, folder: str, file_name: str) -> str:
        """Return the path FOLDER/NAME for a recording. Where it is taken, NAME gets a number.

        Paths count as alike if a file system that ignores case or composition would take them for one.
        """
        folders = "".join(f"{safe_name(component)}/" for component in folder.split("/") if component)
        stem, dot, _ = file_name.rpartition(".")
        path = folders + safe_name(stem if dot and stem else file_name)
        candidate, number = path, 1
        while (key := unicodedata.normalize("NFKC", candidate).casefold()) in self._taken:
            number += 1
            candidate = f"{path} ({number})"
        self._taken.add(key)
        return candidate


def safe_name(component: str) -> str:
    """Return a name that Windows, macOS and Linux take for a file or folder and for nothing else."""
    name = _UNSAFE.sub("_", component)
    name = name.encode()[:LONGEST_BYTES].decode(errors="ignore").strip().rstrip(". ")
    if not name or not name.strip("."):
        return "_"
    return f"_{name}" if _RESERVED.fullmatch(name.partition(".")[0].rstrip()) else name
