"""How recordings shall be listened to and written down, where it is not as the service does by itself."""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shrutlekh.errors import ClientError

TEXT_FORMATS = ("txt", "srt", "vtt", "tsv")
FORMATS = ("json", *TEXT_FORMATS)


class HotwordsUnreadable(ClientError):
    """The file with hot-words cannot be read."""

    code = "hotwords_unreadable"


@dataclass(frozen=True, slots=True)
class Listening:
    """Options of a job; what is None or empty is left to the service.

    Attributes:
        decoder: "greedy" or "beam".
        channels: "mix", or "each" for a transcript of each channel.
        hotwords: words and phrases to be preferred.
        hotword_weight: by how much: 0 to 20.
    """

    decoder: str | None = None
    channels: str | None = None
    hotwords: tuple[str, ...] = ()
    hotword_weight: float | None = None

    def form(self) -> dict[str, str]:
        """The fields of the submission's form."""
        fields = {
            "decoder": self.decoder,
            "channels": self.channels,
            "hotwords": "\n".join(self.hotwords) or None,
            "hotword_weight": None if self.hotword_weight is None else repr(self.hotword_weight),
        }
        return {name: value for name, value in fields.items() if value is not None}

    def document(self) -> dict[str, Any]:
        """Plain values, as NAME.json keeps them."""
        return {**asdict(self), "hotwords": list(self.hotwords)}

    def is_that_of(self, document: Mapping[str, Any]) -> bool:
        """Whether a transcript made with the options of :meth:`document` is what this asks for: it is where
        nothing else is asked for."""
        return all(document.get(name) == value for name, value in self.document().items() if value)


NO_OPTIONS = Listening()


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
    parts = (" ".join(part.split()) for line in named for part in line.split(","))
    return tuple(dict.fromkeys(unicodedata.normalize("NFC", part) for part in parts if part))


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
