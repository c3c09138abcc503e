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
    """Words and phrases as they were named, and those of a file: one a line, or parted by commas.

    Raises:
        HotwordsUnreadable: the file cannot be read, or is no UTF-8 text.
    """
    named = list(words)
    if file is not None:
        try:
            named += file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            raise HotwordsUnreadable(f"The hot-words in {file} cannot be read: {reason}.") from error
    return split_hotwords("\n".join(named))


def formats_from(named: Iterable[str]) -> tuple[str, ...]:
    """Formats of a command line, parted by commas or named one by one; each once, in order.

    Raises:
        ValueError: one of them is none. The message tells which there are.
    """
    formats = dict.fromkeys(
        part.strip().lower() for name in named for part in name.split(",") if part.strip()
    )
    for name in formats:
        if name not in FORMATS:
            raise ValueError(f"'{name}' is no format; there are {', '.join(FORMATS)}.")
    return tuple(formats)
