"""The media type of a recording, from its first bytes.

Names and types that clients send are not believed: a browser must never take a recording for a page. What is
not known here is `application/octet-stream`.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from api.intake.filenames import extension_of

HEAD_BYTES: Final = 16
_MATROSKA: Final = b"\x1a\x45\xdf\xa3"


class ContainerType(NamedTuple):
    """A kind of file: its media type, and the extensions that a download may have, the usual one first."""

    media_type: str
    extensions: tuple[str, ...]

    def extension_for(self, name: str) -> str:
        """Return the extension of a file name if it fits, else the usual one."""
        own = extension_of(name)
        return own if own.lower() in self.extensions else self.extensions[0]


UNKNOWN: Final = ContainerType("application/octet-stream", ("bin",))


def container_type(head: bytes) -> ContainerType:
    """Return the type of a file that begins with ``head``, its first :data:`HEAD_BYTES` bytes."""
    return next((kind for matches, kind in _KINDS if matches(head)), UNKNOWN)


def _starts(*magics: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magics)


def _chunk(*magics: bytes, form: tuple[bytes, ...]) -> Callable[[bytes], bool]:
    """Match files of the RIFF family: their form follows the size of the first chunk."""
    return lambda head: head.startswith(magics) and head[8:12] in form


def _is_mpeg(head: bytes) -> bool:
    """Match an MPEG audio frame: its sync word, and a layer, which AAC's frames do not have."""
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06 != 0


def _is_adts(head: bytes) -> bool:
    return len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0


_KINDS: Final = (
    (_chunk(b"RIFF", b"RF64", b"BW64", form=(b"WAVE",)), ContainerType("audio/wav", ("wav", "wave", "rf64"))),
    (_chunk(b"RIFF", form=(b"AVI ",)), ContainerType("video/x-msvideo", ("avi",))),
    (_chunk(b"FORM", form=(b"AIFF", b"AIFC")), ContainerType("audio/aiff", ("aiff", "aif", "aifc"))),
    (_starts(b"ID3"), ContainerType("audio/mpeg", ("mp3", "mp2", "mpga"))),
    (_is_mpeg, ContainerType("audio/mpeg", ("mp3", "mp2", "mpga"))),
    (_is_adts, ContainerType("audio/aac", ("aac",))),
    (_starts(b"OggS"), ContainerType("audio/ogg", ("ogg", "oga", "opus", "ogv"))),
    (_starts(b"fLaC"), ContainerType("audio/flac", ("flac",))),
    (
        lambda head: head[4:8] == b"ftyp",
        ContainerType("audio/mp4", ("m4a", "mp4", "m4b", "mov", "3gp", "3g2")),
    ),
    (_starts(_MATROSKA), ContainerType("video/webm", ("webm", "mkv", "mka"))),
    (_starts(b"#!AMR"), ContainerType("audio/amr", ("amr", "awb"))),
    (_starts(b".snd"), ContainerType("audio/basic", ("au", "snd"))),
    (_starts(b"caff"), ContainerType("audio/x-caf", ("caf",))),
    (_starts(b"\x30\x26\xb2\x75"), ContainerType("audio/x-ms-wma", ("wma", "asf", "wmv"))),
)
