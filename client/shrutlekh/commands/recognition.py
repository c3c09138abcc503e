"""Hot-words and formats as a command line names them."""

from collections.abc import Iterable
from pathlib import Path

from shrutlekh_contract.formats import FORMATS
from shrutlekh_contract.hotwords import HotwordError, hotwords_of, without_comments

from shrutlekh.errors import ClientError


class HotwordsUnreadable(ClientError):
    """The file with hot-words cannot be read."""

    code = "hotwords_unreadable"


class HotwordInvalid(ClientError):
    """A hot-word is too long, one too many, or not in Devanagari."""

    code = "invalid_hotword"


def hotwords_from(words: Iterable[str], file: Path | None) -> tuple[str, ...]:
    """Return words and phrases of the command line, then those of a file.

    Args:
        file: one word or phrase per line, or separated by commas. ``#`` begins a comment.

    Raises:
        HotwordsUnreadable: the file cannot be read or is not UTF-8 text.
        HotwordInvalid: the service would refuse one. The message quotes it.
    """
    named = list(words)
    if file is not None:
        try:
            named.append(without_comments(file.read_text(encoding="utf-8-sig")))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise HotwordsUnreadable(f"The hot-words in {file} cannot be read: {reason}.") from error
    try:
        return hotwords_of("\n".join(named))
    except HotwordError as error:
        raise HotwordInvalid(error.sentence) from error


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
