"""Names of the files in a batch: folder and name for display, and the names that refuse the batch.

The names never become paths: the store makes its own. A name that would leave the folder it is extracted to,
or could not be shown, is refused all the same: nobody sends such a name by accident.
"""

import re
import unicodedata
from typing import NamedTuple

from api.intake.filenames import FALLBACK, LONGEST, display_name
from shared.errors import MemberRefused

LONGEST_PATH = 1024
SHOWN = 200  # characters of a refused name in the error

_DRIVE = re.compile(r"[A-Za-z]:")
_CLUTTER = frozenset({"__macosx", "thumbs.db", "desktop.ini"})


class MemberPath(NamedTuple):
    """Where a file of a batch was: ``folder`` is empty, or as in "tapes/1998"."""

    folder: str
    name: str


def member_path(sent: str) -> MemberPath:
    """Return the folder and the name of a file, both cleaned for display.

    Args:
        sent: the path in the archive or form. Backslashes separate like slashes: some Windows programs write
            them.

    Raises:
        MemberRefused: the path is absolute, leads upwards, has control characters or is too long.
    """
    path = sent.replace("\\", "/")
    components = path.split("/")
    if path.startswith("/") or _DRIVE.match(path):
        raise refused(sent, "traversal", "Its path is absolute. Send paths relative to a folder.")
    if any(component.strip() == ".." for component in components):
        raise refused(sent, "traversal", "Its path leads out of its folder with '..'.")
    if any(unicodedata.category(character) == "Cc" for character in path):
        raise refused(sent, "name", "Its name has control characters.")
    if len(path) > LONGEST_PATH or any(len(component) > LONGEST for component in components):
        raise refused(
            sent, "name", f"Its name is longer than {LONGEST} characters, or its path than {LONGEST_PATH:,}."
        )
    *folders, name = [component for component in components if component not in ("", ".")] or [FALLBACK]
    return MemberPath("/".join(map(display_name, folders)), display_name(name))


def clutter_in(path: str) -> str | None:
    """Return the part of a path up to a file or folder that operating systems add; None without one.

    These are hidden files, such as `.DS_Store`, and the folder `__MACOSX`.
    """
    components = path.replace("\\", "/").split("/")
    for number, component in enumerate(components, 1):
        is_hidden = component.startswith(".") and component.strip(".")
        if is_hidden or component.lower() in _CLUTTER:
            return "/".join(components[:number]) + ("/" if number < len(components) else "")
    return None


def refused(sent: str, reason: str, why: str) -> MemberRefused:
    """Make the error about a file of a batch. ``reason`` is a stable word, ``why`` a sentence."""
    shown = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in sent[:SHOWN])
    return MemberRefused(
        f"The file {shown!r} is refused, and the batch with it. {why}",
        extra={"member": shown, "reason": reason},
    )
