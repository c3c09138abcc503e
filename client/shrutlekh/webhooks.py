"""Check in an application that a webhook comes from the service and is not old.

Example:
    from shrutlekh.webhooks import InvalidWebhook, verify

    try:
        event = verify(secret, request.headers, request.body)
    except InvalidWebhook:
        return 400

The secret is that of ``GET /v1/webhooks/secret``. The scheme is that of https://www.standardwebhooks.com.
"""

import base64
import binascii
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from shrutlekh.errors import ClientError

TOLERANCE_SECONDS = 300.0
PREFIX = "whsec_"


class InvalidWebhook(ClientError):
    """A webhook is not the service's, was changed on its way, or is old."""

    code = "invalid_webhook"


def verify(
    secret: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    tolerance: float = TOLERANCE_SECONDS,
    now: float | None = None,
) -> dict[str, Any]:
    """Return the event in a webhook after checking its signature and its age.

    Args:
        secret: "whsec_..." as the service shows it.
        headers: of the request; the case of the names does not matter.
        body: the bytes of the request, not parsed and written again.
        tolerance: most seconds between the timestamp and now.
        now: seconds since 1970; default: the clock.

    Returns:
        ``{"type": "job.succeeded", "timestamp": ..., "data": {"id": ..., "status": ...}}``. Its header
        ``webhook-id`` is the same if the service sends it again.

    Raises:
        InvalidWebhook: do not believe it.
        ValueError: the secret is malformed.
    """
    found = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, timestamp = found["webhook-id"], found["webhook-timestamp"]
        signatures = found["webhook-signature"].split()
        age = abs((time.time() if now is None else now) - int(timestamp))
    except (KeyError, ValueError) as error:
        raise InvalidWebhook("The webhook's headers are missing or malformed.") from error
    if age > tolerance:
        raise InvalidWebhook("The webhook's timestamp is too far from this machine's clock.")
    expected = _signature(secret, f"{message_id}.{timestamp}.".encode() + body)
    if not any(hmac.compare_digest(expected, signature.encode()) for signature in signatures):
        raise InvalidWebhook("The webhook's signature is wrong.")
    try:
        return dict(json.loads(body))
    except (ValueError, TypeError) as error:
        raise InvalidWebhook("The webhook's body is not a JSON object.") from error


def _signature(secret: str, signed: bytes) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("The secret is not base64, with or without whsec_ before it.") from error
    return b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))
