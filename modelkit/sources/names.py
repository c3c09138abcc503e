"""Which names of files from a stranger may become paths."""

import unicodedata
from typing import Final

MAX_LENGTH: Final = 1000  # of the whole name in bytes; Linux takes 4096 for a path, our folder's included
MAX_PART: Final = 255  # of one part in bytes, as file systems have it


def is_safe(name: str) -> bool:
    """Tell whether a name, with "/" between folders, stays inside the folder that it is appended to.

    Refuses absolute names, `..`, empty parts, backslashes and drive letters (paths on Windows), control
    characters, and what no file system takes.
    """
    try:
        encoded = name.encode("utf-8")
    except UnicodeEncodeError:  # bytes that were not UTF-8
        return False
    parts = name.split("/")
    return (
        0 < len(encoded) <= MAX_LENGTH
        and not any(part in {"", ".", ".."} or len(part.encode("utf-8")) > MAX_PART for part in parts)
        and "\\" not in name
        and parts[0][1:2] != ":"
        and not any(unicodedata.category(character) == "Cc" for character in name)
    )
