"""Parts of the OpenAPI document that FastAPI cannot derive: streamed forms, and errors with their codes."""

import copy
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from shrutlekh_contract.declarations import Form, Option
from shrutlekh_contract.options import options_in
from starlette.routing import BaseRoute

from api.http import examples
from api.http.correction_schemas import CorrectionIn, correction_schemas
from api.http.form_rules import OtherNames, Schema, rules_of
from api.http.openai_errors import MEDIA_TYPE as OPENAI_MEDIA_TYPE
from api.http.openai_errors import ErrorShape, error_object, shape_at, status_in
from api.http.openai_schemas import OPENAI_ERROR
from api.http.problems import MEDIA_TYPE
from api.http.schemas import Problem, Shape
from shared.errors import (
    ATTEMPTS_EXHAUSTED,
    FILE_MISSING,
    PERMANENT_JOB_ERRORS,
    JobFailed,
    KeyInvalid,
    KeyMissing,
    RateLimited,
    ScopeMissing,
    ServiceError,
)

Responses = dict[int | str, dict[str, Any]]

TRANSCRIPT_FILES = {
    media_type: {"example": example} for media_type, example in examples.TRANSCRIPT_FILES.items()
}
_RETRY_AFTER = {
    "Retry-After": {"description": "Seconds to wait before the next try.", "schema": {"type": "integer"}}
}
_SAYS_WHEN = frozenset({429, 503, 507})
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_OPENAI_ERROR = {"$ref": "#/components/schemas/OpenAIError"}
_CONTENTS = {
    ErrorShape.PROBLEM: (MEDIA_TYPE, _PROBLEM),
    ErrorShape.BOTH: (MEDIA_TYPE, _PROBLEM),
    ErrorShape.OPENAI: (OPENAI_MEDIA_TYPE, _OPENAI_ERROR),
}
# Of each event of a stream, for tools that read streams by event.
SERVER_SENT_EVENT = {
    "type": "object",
    "required": ["data"],
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
}
JOB_FAILED = "The job failed with this code."
NO_MORE: Mapping[str, Option] = {}
NO_OTHER_NAMES: OtherNames = {}
_FILE = {
    "type": "string",
    "format": "binary",
    "description": "The recording. Its name is only displayed and never used as a path.",
}

_ARCHIVE = {
    "type": "string",
    "format": "zip",
    "contentMediaType": "application/zip",
    "description": "A zip archive of recordings, instead of `file`. Stored or deflated, without a password.",
}


def problems(*errors: type[ServiceError], shape: ErrorShape = ErrorShape.PROBLEM) -> Responses:
    """Return the documentation of a route's errors, which it answers in ``shape``."""
    by_status: dict[int, list[_Documented]] = defaultdict(list)
    for one in (one for error in errors for one in _documented(error)):
        by_status[int(status_in(shape, one.code, one.status))].append(one)
    return {status: _response(status, ones, shape) for status, ones in by_status.items()}


class _Documented(NamedTuple):
    """An error as the document describes it. ``status`` is that of the service's own shape."""

    code: str
    status: int
    title: str
    text: str


def _documented(error: type[ServiceError]) -> list[_Documented]:
    """Return what there is to document of an error: a failed job has the code of its failure."""
    text = " ".join((error.__doc__ or "").split())
    if error is not JobFailed:
        return [_Documented(error.code, error.status, error.title, text)]
    codes = [(code, 422) for code in sorted(PERMANENT_JOB_ERRORS)]
    codes += [(code, 500) for code in (ATTEMPTS_EXHAUSTED, FILE_MISSING)]
    return [_Documented(code, status, error.title, JOB_FAILED) for code, status in codes]


def _response(status: int, errors: Sequence[_Documented], shape: ErrorShape) -> dict[str, Any]:
    """Return the documentation of the errors of one status."""
    media_type, schema = _CONTENTS[shape]
    response: dict[str, Any] = {
        "description": " ".join(f"`{one.code}`: {one.text}" for one in errors),
        "content": {
            media_type: {
                "schema": schema,
                "examples": {one.code: {"value": _example_of(one, status, shape)} for one in errors},
            }
        },
    }
    return response | ({"headers": _RETRY_AFTER} if status in _SAYS_WHEN else {})


def form_of(
    form: Form,
    more: Mapping[str, Option] = NO_MORE,
    other_names: OtherNames = NO_OTHER_NAMES,
    rules: Sequence[Schema] = (),
) -> dict[str, Any]:
    """Return the documentation of a form with its file and the options that it may set.

    Args:
        form: the form.
        more: its fields that are not options.
        other_names: those of them that set an option, by the option's name.
        rules: JSON schemas that it must match, besides those that follow from the options.
    """
    fields = {**options_in(form), **more}
    all_rules = [*rules_of(fields, other_names), *rules]
    return _form({"file": _FILE}, {"file": examples.FILE}, fields, all_rules, required=["file"])


def correction_body() -> dict[str, Any]:
    """Return the documentation of a body that is a corrected text, which the route reads itself."""
    schema = {"$ref": f"#/components/schemas/{CorrectionIn.__name__}"}
    shown = {"examples": {"a word corrected": {"value": examples.CORRECTION}}}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema, **shown}}}}


def batch_form() -> dict[str, Any]:
    """Return the documentation of the form of a batch, with its files and the options that it may set."""
    parts = {
        "file": {
            "type": "array",
            "items": _FILE,
            "minItems": 1,
            "description": "The recordings: one part for each.",
        },
        "archive": _ARCHIVE,
        "name": {
            "type": "string",
            "maxLength": 255,
            "description": "A name for the batch, only displayed. Default: that of the archive.",
        },
    }
    fields = options_in(Form.JOB)
    one_of = {"oneOf": [{"required": ["file"]}, {"required": ["archive"]}]}
    return _form(parts, {"file": [examples.FILE]}, fields, [*rules_of(fields, NO_OTHER_NAMES), one_of])


def _form(
    parts: dict[str, Any],
    files: dict[str, Any],
    fields: Mapping[str, Option],
    rules: Sequence[Schema],
    **more: Any,
) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {**parts, **{name: option.schema for name, option in fields.items()}},
        "additionalProperties": False,
        **more,
    }
    if rules:
        schema["allOf"] = list(rules)
    shown = {name: option.example for name, option in fields.items() if option.example}
    example = {"summary": "A recording with options.", "value": {**files, **shown}}
    content = {"schema": schema, "examples": {"recording": example}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": content}}}


def operation_id(route: APIRoute) -> str:
    """Return a route's operation id: the name of its function in camel case, as in ``submitJob``."""
    first, *rest = route.name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def install_openapi(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Make the OpenAPI document of ``app`` describe the errors and examples that its ``routes`` declare."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                description=app.description,
                routes=app.routes,
            )
            _drop_validation_errors(document)
            _add_unexpected_errors(document)
            _restore_examples(document, routes)
            schemas = document["components"]["schemas"]
            schemas["Problem"] = Problem.model_json_schema()
            schemas["OpenAIError"] = OPENAI_ERROR
            schemas |= correction_schemas()
            _add_key_errors(document)
            _list_codes(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]


def _add_key_errors(document: dict[str, Any]) -> None:
    """Add the errors of API keys to all operations that take one."""
    for path, methods in document["paths"].items():
        errors = problems(KeyMissing, KeyInvalid, ScopeMissing, RateLimited, shape=shape_at(path))
        for operation in methods.values():
            if "security" in operation:
                _add_responses(operation["responses"], copy.deepcopy(errors))


def _add_responses(documented: dict[str, Any], more: Responses) -> None:
    """Add errors to those of an operation, which may have some of the same status."""
    for status, response in more.items():
        own = documented.setdefault(str(status), response)
        if own is not response:
            own["description"] += f" {response['description']}"
            for media_type, content in response["content"].items():
                own["content"][media_type]["examples"] |= content["examples"]


def _drop_validation_errors(document: dict[str, Any]) -> None:
    """Remove FastAPI's own description of validation errors. Routes describe them as `invalid_request`."""
    for methods in document["paths"].values():
        for operation in methods.values():
            content = operation["responses"].get("422", {}).get("content", {}).get("application/json", {})
            if content.get("schema", {}).get("$ref", "").endswith("/HTTPValidationError"):
                del operation["responses"]["422"]
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)


def _add_unexpected_errors(document: dict[str, Any]) -> None:
    """Describe that every operation may meet a fault of the service."""
    for path, methods in document["paths"].items():
        for operation in methods.values():
            (unexpected,) = problems(ServiceError, shape=shape_at(path)).values()
            operation["responses"].setdefault(str(ServiceError.status), unexpected)


def _list_codes(document: dict[str, Any]) -> None:
    """Let the schema of each error say which codes there are: those that have an example."""
    for path, methods in document["paths"].items():
        is_openai = shape_at(path) is ErrorShape.OPENAI
        for operation in methods.values():
            for response in operation["responses"].values():
                for content in response.get("content", {}).values():
                    if content.get("schema") in (_PROBLEM, _OPENAI_ERROR):
                        codes = {"code": {"enum": list(content["examples"])}}
                        members = {"error": {"properties": codes}} if is_openai else codes
                        content["schema"] = {"allOf": [content["schema"], {"properties": members}]}


def _restore_examples(document: dict[str, Any], routes: Sequence[BaseRoute]) -> None:
    """Put the examples back as they were declared, because FastAPI drops their null members."""
    for route in routes:
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        for method in route.methods or ():
            documented = document["paths"][route.path_format][method.lower()]["responses"]
            for status, response in route.responses.items():
                for media_type, content in response.get("content", {}).items():
                    shown = {name: content[name] for name in ("example", "examples") if name in content}
                    documented[str(status)]["content"][media_type] |= copy.deepcopy(shown)
    for shape in _subclasses(Shape):
        schema = document["components"]["schemas"].get(shape.__name__, {})
        if "examples" in schema:
            schema["examples"] = shape.model_config["json_schema_extra"]["examples"]  # type: ignore[index]


def _subclasses(shape: type[Shape]) -> Iterator[type[Shape]]:
    for one in shape.__subclasses__():
        yield one
        yield from _subclasses(one)


def _example_of(error: _Documented, status: int, shape: ErrorShape) -> dict[str, Any]:
    openai = {"error": error_object(error.code, status, error.text)}
    if shape is ErrorShape.OPENAI:
        return openai
    document = {
        "type": f"urn:shrutlekh:error:{error.code}",
        "title": error.title,
        "status": status,
        "detail": error.text,
        "code": error.code,
        "instance": f"/v1/jobs/{examples.JOB_ID}",
    }
    return document | openai if shape is ErrorShape.BOTH else document
