"""Errors in the shape of OpenAI's API, for the routes that its clients call.

Below ``/v1/audio/`` an error is ``{"error": {"message", "type", "param", "code"}}``. Below ``/v1/models``,
which clients of both APIs call, a problem document has that ``error`` as a further member.
"""

from enum import Enum
from http import HTTPStatus
from typing import Any, Final

from starlette.types import Scope

from shared.errors import InvalidRequest, ModelBroken, ModelNotInstalled, ServiceError

MEDIA_TYPE: Final = "application/json"
OF_THE_MODEL: Final = frozenset({ModelNotInstalled.code, ModelBroken.code})
"""Errors about the value of ``model``."""


class ErrorShape(Enum):
    """How a route answers errors."""

    PROBLEM = "problem"
    OPENAI = "openai"
    BOTH = "both"


def shape_of(scope: Scope) -> ErrorShape:
    """Return the shape of errors at the path of a request, whether or not a route matches it."""
    return shape_at(scope["path"].removeprefix(scope.get("root_path", "")))


def shape_at(path: str) -> ErrorShape:
    """Return the shape of errors at a path of the API."""
    if path.startswith("/v1/audio/"):
        return ErrorShape.OPENAI
    return ErrorShape.BOTH if f"{path}/".startswith("/v1/models/") else ErrorShape.PROBLEM


def status_in(shape: ErrorShape, code: str, status: int) -> int:
    """Return the status of an error with this code and status in the service's own API."""
    if shape is ErrorShape.PROBLEM:
        return status
    if code == ModelNotInstalled.code:
        return HTTPStatus.NOT_FOUND
    is_422 = shape is ErrorShape.OPENAI and status == InvalidRequest.status
    return HTTPStatus.BAD_REQUEST if is_422 else status


def error_object(
    code: str, status: int, message: str, extra: dict[str, Any] | None = None
) -> dict[str, str | None]:
    """Return the ``error`` member. ``param`` is the first invalid field of a validation error."""
    invalid = (extra or {}).get("errors") or [{}]
    param = "model" if code in OF_THE_MODEL else invalid[0].get("field")
    return {"message": message, "type": _type_of(status), "param": param, "code": code}


def headers_for(code: str, status: int, extra: dict[str, Any] | None = None) -> dict[str, str]:
    """Return the headers that tell OpenAI's client not to repeat a request in vain, and where the job is.

    By default the client repeats 408, 409, 429 and from 500 on. The same recording would fail again, and so
    would a taken key.
    """
    headers = {}
    is_final = status == HTTPStatus.INTERNAL_SERVER_ERROR and code != ServiceError.code
    if is_final or status == HTTPStatus.CONFLICT:
        headers["X-Should-Retry"] = "false"
    if job := (extra or {}).get("job"):
        headers["Link"] = f'<{job}>; rel="related"'
    return headers


def _type_of(status: int) -> str:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "server_error"
    return {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}.get(
        status, "invalid_request_error"
    )
