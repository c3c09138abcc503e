"""ETags: polling clients get a 304 without a body while nothing has changed."""

import hashlib

from starlette.requests import Request


def weak_etag(representation: bytes) -> str:
    """Return a weak ETag of a response body."""
    return f'W/"{hashlib.blake2b(representation, digest_size=12).hexdigest()}"'


def is_known(request: Request, etag: str) -> bool:
    """Return whether If-None-Match contains ``etag`` (weak comparison, RFC 9110, section 8.8.3.2)."""
    if_none_match = request.headers.get("if-none-match", "")
    tags = {_opaque_tag(tag) for tag in if_none_match.split(",")}
    return if_none_match.strip() == "*" or _opaque_tag(etag) in tags


def _opaque_tag(etag: str) -> str:
    return etag.strip().removeprefix("W/")
