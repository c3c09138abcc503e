"""What the OpenAPI document says beyond what FastAPI sees: streamed forms, and errors with their codes."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.http import examples
from api.http.problems import MEDIA_TYPE
from api.http.schemas import Problem
from api.intake.hotwords import DEFAULT_WEIGHT, LONGEST, MAX_WEIGHT, MOST
from shared.errors import ServiceError
from transcript.transcript import Numerals

Responses = dict[int | str, dict[str, Any]]

_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds after which to try again.", "schema": {"type": "integer"}}
}
_SAYS_WHEN = frozenset({429, 503, 507})
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_FILE = {
    "type": "string",
    "format": "binary",
    "description": "The recording. Its name is shown to people and never used as a path.",
}
_FIELDS: dict[str, dict[str, Any]] = {
    "model": {"type": "string", "description": "Installed model; the service's default if none is named."},
    "transcript": {"type": "boolean", "default": True, "description": "Make the words."},
    "waveform": {"type": "boolean", "default": True, "description": "Make the picture and the peaks."},
    "decoder": {
        "type": "string",
        "enum": ["greedy", "beam"],
        "description": "`beam` searches with the model's language model and errs less, `greedy` takes less "
        "time; the model's own choice if none is named.",
    },
    "hotwords": {
        "type": "string",
        "description": "Words and phrases that are preferred where they could have been said, such as "
        f"names: in Devanagari, parted by commas or line breaks; at most {MOST} of {LONGEST} characters. "
        "They need beam search, and ask for it.",
        "example": "देहरादून, मसूरी",
    },
    "hotword_weight": {
        "type": "number",
        "minimum": 0,
        "maximum": MAX_WEIGHT,
        "default": DEFAULT_WEIGHT,
        "description": "How much they are preferred: natural logarithm by which their score is raised.",
    },
    "channels": {
        "type": "string",
        "enum": ["mix", "each"],
        "default": "mix",
        "description": "`mix` hears the mean of the channels, `each` every one by itself, as for telephone "
        "calls with a channel for each side: segments then say which.",
    },
    "numerals": {
        "type": "string",
        "enum": [numerals.value for numerals in Numerals],
        "default": "spoken",
        "description": "How the answer writes numbers: in words as they were said, or in digits.",
    },
    "priority": {
        "type": "string",
        "enum": ["high", "normal", "low"],
        "default": "normal",
        "description": "Jobs of a higher level go first, always.",
    },
    "client": {
        "type": "string",
        "maxLength": 64,
        "description": "Who submits, printable characters; by default the address of the connection. Clients "
        "take turns, so that one with 10,000 recordings does not hold up one with a single recording.",
    },
}


def problems(*errors: type[ServiceError]) -> Responses:
    """Documentation of the errors that a route may answer with."""
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


def form(*fields: str) -> dict[str, Any]:
    """Documentation of a form with a file and ``fields``."""
    schema = {
        "type": "object",
        "required": ["file"],
        "properties": {"file": _FILE, **{name: _FIELDS[name] for name in fields}},
        "additionalProperties": False,
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def install_openapi(app: FastAPI) -> None:
    """Let ``app`` describe its errors as what they are: problem documents."""

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
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def _example_of(error: type[ServiceError], text: str) -> dict[str, Any]:
    return {
        "type": f"urn:shrutlekh:error:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": text,
        "code": error.code,
        "instance": f"/v1/jobs/{examples.JOB_ID}",
    }
