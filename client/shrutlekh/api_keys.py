"""The API key: where it comes from, and how it is sent."""

import os
import re
from pathlib import Path

from shrutlekh.errors import ApiKeyUnusable

VARIABLE = "SHRUTLEKH_API_KEY"
KEY_ERRORS = frozenset({"key_missing", "key_invalid", "scope_missing"})
_VISIBLE = re.compile(r"[\x21-\x7e]+")


def key_in_force(given: str | None) -> str | None:
    """Return the key to send: the given one, else that of the environment; None for none.

    Args:
        given: None for the environment's; an empty string for none.

    Raises:
        ApiKeyUnusable: the key has characters that no key has.
    """
    key = (os.environ.get(VARIABLE, "") if given is None else given).strip()
    if key and not _VISIBLE.fullmatch(key):
        raise ApiKeyUnusable("The API key has spaces, line breaks or characters that are not ASCII.")
    return key or None


def key_in(path: Path | None) -> str | None:
    """Return the key in a file; None without a file.

    Raises:
        ApiKeyUnusable: the file can't be read, or holds no key.
    """
    if path is None:
        return None
    try:
        key = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise ApiKeyUnusable(f"The API key in {path} can't be read: {_reason(error)}.") from error
    if not key:
        raise ApiKeyUnusable(f"{path} is empty: it should hold an API key.")
    return key


def key_headers(key: str | None, *, authorization_is_taken: bool) -> dict[str, str]:
    """Return the header that carries the key.

    Args:
        authorization_is_taken: whether ``Authorization`` is needed for the user and password in the URL,
            which a proxy in front of the service wants.
    """
    if key is None:
        return {}
    return {"X-API-Key": key} if authorization_is_taken else {"Authorization": f"Bearer {key}"}


def with_advice(code: str, message: str) -> str:
    """Return the message for an error about the key, with where the client takes the key from."""
    if code == "key_missing":
        return f"The service requires an API key. Set {VARIABLE}, or use --api-key-file (in Python: api_key)."
    return f"{message} The key came from {VARIABLE}, unless you gave another."


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not ASCII text"
