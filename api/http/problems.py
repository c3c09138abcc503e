"""Error handlers: answer every error with an RFC 9457 problem document that has a stable ``code``.

They cover the service's own errors, validation and routing errors, and unexpected exceptions.
"""

import json
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.http import openai_errors
from api.http.openai_errors import ErrorShape
from shared.errors import InvalidRequest, ServiceError

MEDIA_TYPE = "application/problem+json"
# Retry-After of temporary errors. A database restart takes seconds, a full disk waits for the operator.
RETRY_SECONDS = {HTTPStatus.SERVICE_UNAVAILABLE: 2, HTTPStatus.INSUFFICIENT_STORAGE: 60}

# By pydantic's error type, instead of its own message. Ids are the only UUIDs of the API, and the name of a
# parameter says whose: `job_id`, `batch`.
MESSAGES = {
    "uuid_parsing": "It is not a {owner} id. An id is a UUID, such as 019a2f3c-5b7e-7c41-9d52-0a6f1e8b3c77."
}
ROUTER_CODES = {404: "not_found", 405: "method_not_allowed"}
ROUTER_DETAILS = {
    404: "No route matches this path. See GET /docs for all routes.",
    405: "This path does not support the method. The Allow header lists the supported ones.",
}

log = structlog.get_logger(__name__)


def install_problem_handlers(app: FastAPI) -> None:
    """Make ``app`` answer all errors with problem documents."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _router_error)
    app.add_exception_handler(ClientDisconnect, _client_disconnected)
    app.add_middleware(UnexpectedErrors)


def problem(
    scope: Scope,
    *,
    code: str,
    status: int,
    title: str,
    detail: str,
    headers: dict[str, str] | None = None,
    extra: dict[str, Any] | None = None,
) -> Response:
    """Make the problem document for the request of ``scope``, or OpenAI's error on a route of its API.

    Args:
        scope: ASGI scope of the request; its path becomes ``instance``.
        headers: response headers. ``Retry-After`` is added for temporary errors unless given.
        extra: further members of the document.
    """
    shape = openai_errors.shape_of(scope)
    status = openai_errors.status_in(shape, code, status)
    document: dict[str, Any] = {
        "type": f"urn:shrutlekh:error:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "instance": quote(scope["path"]),
        **(extra or {}),
    }
    headers = dict(headers or {})
    if status in RETRY_SECONDS:
        headers.setdefault("Retry-After", str(RETRY_SECONDS[HTTPStatus(status)]))
    media_type = MEDIA_TYPE
    if shape is not ErrorShape.PROBLEM:
        error = {"error": openai_errors.error_object(code, status, detail, extra)}
        headers |= openai_errors.headers_for(code, status, extra)
        if shape is ErrorShape.OPENAI:
            document, media_type = error, openai_errors.MEDIA_TYPE
        else:
            document |= error
    return Response(json.dumps(document, ensure_ascii=False), status, headers, media_type)


class UnexpectedErrors:
    """ASGI middleware that logs unhandled exceptions and answers them with a 500 that reveals nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application. Answer 500 if it raises before the response has started."""
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except Exception:
            if scope["type"] != "http" or started:
                raise
            log.exception("unexpected_error", method=scope["method"], path=scope["path"])
            response = problem(
                scope,
                code=ServiceError.code,
                status=ServiceError.status,
                title=ServiceError.title,
                detail="The server hit an unexpected error. Its log has the details.",
            )
            await response(scope, receive, send)


async def _service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        cause = type(error.__cause__).__name__ if error.__cause__ else None
        log.warning("request_failed", code=error.code, path=request.url.path, cause=cause)
    return problem(
        request.scope,
        code=error.code,
        status=error.status,
        title=error.title,
        detail=error.message,
        headers=error.headers,
        extra=error.extra,
    )


async def _validation_error(request: Request, error: Exception) -> Response:
    """Name the invalid parameters without echoing their values."""
    assert isinstance(error, RequestValidationError)
    errors = [
        {
            "field": str(item["loc"][-1]),
            "message": _message_of(item["type"], str(item["loc"][-1]), item["msg"]),
        }
        for item in error.errors()
    ]
    return problem(
        request.scope,
        code=InvalidRequest.code,
        status=InvalidRequest.status,
        title=InvalidRequest.title,
        detail="; ".join(f"{item['field']}: {item['message']}" for item in errors),
        extra={"errors": errors},
    )


def _message_of(kind: str, field: str, message: str) -> str:
    if kind not in MESSAGES:
        return message
    return MESSAGES[kind].format(owner=field.removesuffix("_id"))


async def _router_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed_methods(request))
    return problem(
        request.scope,
        code=ROUTER_CODES.get(error.status_code, phrase.lower().replace(" ", "_")),
        status=error.status_code,
        title=phrase,
        detail=ROUTER_DETAILS.get(error.status_code, str(error.detail)),
        headers=headers,
    )


def _allowed_methods(request: Request) -> list[str]:
    """List all methods that the path supports. Starlette lists only those of the first route that matches."""

    def is_allowed(method: str) -> bool:
        scope = {**request.scope, "method": "GET" if method == "HEAD" else method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return [method for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE") if is_allowed(method)]


async def _client_disconnected(_request: Request, _error: Exception) -> Response:
    return Response(status_code=499)  # for the metrics: the client no longer reads it
