"""Clean up client file names for display. They never become paths: the store makes its own names."""

import re
import unicodedata
from urllib.parse import quote, unquote

from shrutlekh_contract.readable import is_readable

LONGEST = 255
LONGEST_EXTENSION = 16
FALLBACK = "recording"

_QUOTED = re.compile(r'"(?:\\.|[^"\\])*(?:"|$)')
_EXTENDED = re.compile(r"filename\*\s*=\s*(utf-8|iso-8859-1)'[a-z0-9-]{0,32}'([^\s;]+)", re.IGNORECASE)
# The only characters that browsers escape in a quoted file name (WHATWG HTML, multipart/form-data encoding).
_BROWSER_ESCAPES = {"%22": '"', "%0D": "\r", "%0A": "\n"}
_BROWSER_ESCAPE = re.compile("|".join(_BROWSER_ESCAPES), re.IGNORECASE)
# Excludes quotes and backslashes, which clients unescape differently, and percent signs, which some unescape.
_PLAIN = re.compile(r"[A-Za-z0-9 ._()+=,@-]+")


def display_name(raw: str) -> str:
    """Return the last component of ``raw`` in NFC, without control characters, cut to 255 characters.

    An empty or dots-only name becomes :data:`FALLBACK`.
    """
    component = raw.replace("\\", "/").rpartition("/")[2]
    name = readable(component)
    if not name.strip("."):
        return FALLBACK
    if len(name) <= LONGEST:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension) > LONGEST_EXTENSION:
        return name[:LONGEST]
    return stem[: LONGEST - len(dot + extension)] + dot + extension


def readable(text: str) -> str:
    """Return a text in NFC without characters that cannot be shown, and without spaces around it."""
    return unicodedata.normalize("NFC", "".join(filter(is_readable, text))).strip()


def sent_name(plain: bytes | None, disposition: bytes) -> str:
    """Return the name of the file in a part's Content-Disposition, as the client meant it.

    Args:
        plain: value of the ``filename`` parameter, if present.
        disposition: the whole header value, searched for ``filename*`` (RFC 5987), which takes precedence.
    """
    extended = _EXTENDED.search(_QUOTED.sub('""', disposition.decode("latin-1")))
    if extended is not None:
        decoded = _percent_decoded(extended[2], extended[1])
        if decoded is not None:
            return decoded
    name = text_of(plain or b"")
    return _BROWSER_ESCAPE.sub(lambda escape: _BROWSER_ESCAPES[escape[0].upper()], name)


def text_of(header: bytes) -> str:
    """Decode a header value: UTF-8, as browsers send, or else Latin-1, as old clients do."""
    try:
        return header.decode("utf-8")
    except UnicodeDecodeError:
        return header.decode("latin-1")


def extension_of(name: str) -> str:
    """Return the extension of a file name without its dot; empty for names without one."""
    stem, dot, extension = name.rpartition(".")
    return extension if dot and stem and len(extension) <= LONGEST_EXTENSION else ""


def content_disposition(
    recording: str, extension: str, *, kind: str = "inline", fallback: str = "transcript"
) -> str:
    """Make the Content-Disposition (RFC 6266) of a result: the recording's name with ``extension``.

    Non-ASCII names are sent as ``filename*`` (RFC 8187), with an ASCII fallback in ``filename``.

    Args:
        kind: "inline", or "attachment" for what browsers are to save.
        fallback: name for clients that do not know ``filename*``.
    """
    old_extension = extension_of(recording)
    name = recording[: -len(old_extension) - 1] if old_extension else recording
    if _PLAIN.fullmatch(name):
        return f'{kind}; filename="{name}.{extension}"'
    return f"{kind}; filename=\"{fallback}.{extension}\"; filename*=UTF-8''{quote(name, safe='')}.{extension}"


def _percent_decoded(value: str, charset: str) -> str | None:
    try:
        return unquote(value, encoding=charset, errors="strict")
    except UnicodeDecodeError:
        return None
