"""Sign webhooks as https://www.standardwebhooks.com says."""

import base64
import hmac
import secrets
from collections.abc import Iterable

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """Return a random secret in the form that receivers configure."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a message.

    Args:
        secret: as :func:`new_secret` returns it.
        message_id: the same at each try.
        timestamp: of this try, in seconds since 1970.
        body: the exact bytes that are sent.
    """
    key = base64.b64decode(secret.removeprefix(PREFIX))
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"


def headers_of(message_id: str, timestamp: int, body: bytes, signed_with: Iterable[str]) -> dict[str, str]:
    """Return the headers of a message, with a signature for each secret that is valid now."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(secret, message_id, timestamp, body) for secret in signed_with),
    }
