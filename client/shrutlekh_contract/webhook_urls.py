"""The shape of a webhook's URL. Whether a webhook may go there, the service decides."""

import re
from typing import Final
from urllib.parse import urlsplit

LONGEST_URL: Final = 2048

# Visible ASCII without the characters that programs read differently, or not at all, in a URL.
_PLAIN = re.compile(r"[!#-;=?-\[\]_a-z~]+")


def check_webhook_url(url: str) -> str:
    """Return the URL unchanged if its shape is right.

    Raises:
        ValueError: it is not. The message is a sentence without a full stop.
    """
    if len(url) > LONGEST_URL:
        raise ValueError(f"at most {LONGEST_URL} characters")
    if not _PLAIN.fullmatch(url):
        raise ValueError("write it in ASCII, with percent-encoding, and the host as xn--...")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError("it is not a URL") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it begins with https:// or http:// and a host")
    if port == 0:
        raise ValueError("its port is from 1 to 65535")
    if "@" in parts.netloc:
        raise ValueError("leave out user and password; a token may be part of the path")
    if "#" in url:
        raise ValueError("leave out the fragment after #")
    if "%" in parts.netloc:
        raise ValueError("its host must not be percent-encoded")
    return url
