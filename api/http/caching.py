"""ETags: a client that polls is told "nothing new" without a body."""

import hashlib

from starlette.requests import Request


def weak_etag(representation: bytes) -> str:
    """A weak ETag of what the client would see."""
    return f'W/"{hashlib.blake2b(representation, digest_size=12).hexdigest()}"'


def is_known(request: Request, etag: str) -> bool:
    """True if the request's If-None-Match holds ``etag`` (weak comparison, RFC 9110, section 8.8.3.2)."""
    known = request.headers.get("if-none-match", "")
    return known.strip() == "*" or _opaque(etag) in {_opaque(tag) for tag in known.split(",")}


def _opaque(etag: str) -> str:
    return etag.strip().removeprefix("W/")
