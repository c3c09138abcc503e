"""Hot-words and formats as a command line names them."""

from collections.abc import Iterable
from pathlib import Path

from shrutlekh_contract.formats import FORMATS
from shrutlekh_contract.hotwords import split_hotwords

from shrutlekh.errors import ClientError


class HotwordsUnreadable(ClientError):
    """The file with hot-words cannot be read."""

    code = "hotwords_unreadable"


def hotwords_from(words: Iterable[str], file: Path | None) -> tuple[str, ...]:
    """Return words and phrases of the command line, then those of a file (one per line or comma-separated).

    Raises:
        HotwordsUnreadable: the file cannot be read or is not UTF-8 text.
    """
    named = list(words)
    if file is not None:
        try:
            named += file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise HotwordsUnreadable(f"The hot-words in {file} cannot be read: {reason}.") from error
    return split_hotwords("\n".join(named))


def formats_from(named: Iterable[str]) -> tuple[str, ...]:
    """Return the formats of a command line, comma-separated or repeated: in order, without duplicates.

    Raises:
        ValueError: a format is unknown. The message lists the known ones.
    """
    formats = dict.fromkeys(
        part.strip().lower() for name in named for part in name.split(",") if part.strip()
    )
    for name in formats:
        if name not in FORMATS:
            raise ValueError(f"'{name}' is not a format. Choose from {', '.join(FORMATS)}.")
    return tuple(formats)
