"""Parts of the OpenAPI document that FastAPI cannot derive: streamed forms, and errors with their codes."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from shrutlekh_contract.declarations import Form
from shrutlekh_contract.options import options_in

from api.http import examples
from api.http.problems import MEDIA_TYPE
from api.http.schemas import Problem
from shared.errors import KeyInvalid, KeyMissing, ScopeMissing, ServiceError

Responses = dict[int | str, dict[str, Any]]

TRANSCRIPT_FILES = {
    media_type: {"example": example} for media_type, example in examples.TRANSCRIPT_FILES.items()
}
_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait before the next try.", "schema": {"type": "integer"}}
}
_SAYS_WHEN = frozenset({429, 503, 507})
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_FILE = {
    "type": "string",
    "format": "binary",
    "description": "The recording. Its name is only displayed and never used as a path.",
}

_ARCHIVE = {
    "type": "string",
    "format": "binary",
    "description": "A zip archive of recordings, instead of `file`. Stored or deflated, without a password.",
}


def problems(*errors: type[ServiceError]) -> Responses:
    """Return the documentation of a route's errors."""
    documented: Responses = {}
    for error in errors:
        text = " ".join((error.__doc__ or "").split())
        response = documented.setdefault(
            error.status,
            {"description": "", "content": {MEDIA_TYPE: {"schema": _PROBLEM, "examples": {}}}},
        )
        if error.status in _SAYS_WHEN:
            response["headers"] = _RETRY_AFTER
        response["description"] = f"{response['description']} `{error.code}`: {text}".strip()
        response["content"][MEDIA_TYPE]["examples"][error.code] = {"value": _example_of(error, text)}
    return documented


def form_of(form: Form) -> dict[str, Any]:
    """Return the documentation of a form, with its file and the options that it may set."""
    return _form({"file": _FILE}, form, required=["file"])


def batch_form() -> dict[str, Any]:
    """Return the documentation of the form of a batch, with its files and the options that it may set."""
    parts = {
        "file": {"type": "array", "items": _FILE, "description": "The recordings: one part for each."},
        "archive": _ARCHIVE,
        "name": {
            "type": "string",
            "maxLength": 255,
            "description": "A name for the batch, only displayed. Default: that of the archive.",
        },
    }
    return _form(parts, Form.JOB)


def _form(parts: dict[str, Any], form: Form, **more: Any) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {**parts, **{name: option.schema for name, option in options_in(form).items()}},
        "additionalProperties": False,
        **more,
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def install_openapi(app: FastAPI) -> None:
    """Make the OpenAPI document of ``app`` describe errors as problem documents."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                description=app.description,
                routes=app.routes,
            )
            schemas = document["components"]["schemas"]
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            schemas["Problem"] = Problem.model_json_schema()
            _add_key_errors(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def _add_key_errors(document: dict[str, Any]) -> None:
    """Add the errors of API keys to all operations that take one."""
    for path in document["paths"].values():
        for operation in path.values():
            if "security" in operation:
                operation["responses"] |= {
                    str(status): response
                    for status, response in problems(KeyMissing, KeyInvalid, ScopeMissing).items()
                }


def _example_of(error: type[ServiceError], text: str) -> dict[str, Any]:
    return {
        "type": f"urn:shrutlekh:error:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": text,
        "code": error.code,
        "instance": f"/v1/jobs/{examples.JOB_ID}",
    }
