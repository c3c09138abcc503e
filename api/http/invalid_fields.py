"""Errors about one field or parameter of a request, in the shape that all validation errors have."""

from collections.abc import Collection
from difflib import get_close_matches

from shared.errors import InvalidRequest

LONGEST_NAME = 64  # characters of an unknown name that are repeated


def invalid_field(field: str, message: str) -> InvalidRequest:
    """Make the error about one field."""
    return InvalidRequest(f"{field}: {message}", extra={"errors": [{"field": field, "message": message}]})


def unknown_name(name: str, allowed: Collection[str], kind: str = "field") -> InvalidRequest:
    """Make the error about a field that does not exist, with the most similar one that does.

    Args:
        name: the unknown name.
        allowed: all names.
        kind: what the names are of: "field" or "query parameter".
    """
    name = name[:LONGEST_NAME]
    similar = get_close_matches(name.lower(), allowed, n=1)
    hint = f" Did you mean {similar[0]}?" if similar else ""
    names = f"Allowed {kind}s: {', '.join(sorted(allowed))}." if allowed else f"This route has no {kind}s."
    return invalid_field(name, f"Unknown {kind}.{hint} {names}")
