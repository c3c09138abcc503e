"""Refuse query parameters that a route does not have: a misspelt one would silently have no effect."""

from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection

from api.http.invalid_fields import invalid_field, unknown_name

# Probes and scrapers may add parameters of their own.
PROBES = "health"


async def refuse_unknown_parameters(connection: HTTPConnection) -> None:
    """Check the query of a request, as a dependency of all routes.

    Raises:
        InvalidRequest: a parameter is unknown to the route, or is a field of its form.
    """
    route = connection.scope.get("route")
    if not connection.query_params or not isinstance(route, APIRoute) or _is_lenient(route):
        return
    known, fields = _parameters(route.dependant), _form_fields_of(route)
    for name in connection.query_params:
        if name in known:
            continue
        if name in fields:
            raise invalid_field(name, "Send it as a field of the form, not in the URL.")
        raise unknown_name(name, known | fields, "field" if fields else "query parameter")


def _is_lenient(route: APIRoute) -> bool:
    """Return whether a route is a probe, or a page of the documentation, which has no tag."""
    return PROBES in route.tags or not route.tags


def _parameters(dependant: Dependant) -> set[str]:
    """Return the query parameters of a route or a dependency, with those of its own dependencies."""
    own = {field.alias for field in dependant.query_params}
    return own.union(*map(_parameters, dependant.dependencies))


def _form_fields_of(route: APIRoute) -> set[str]:
    """Return the fields of the form that a route documents with ``api.http.openapi.form_of``."""
    body: dict[str, Any] = (route.openapi_extra or {}).get("requestBody", {}).get("content", {})
    return {name for content in body.values() for name in content["schema"].get("properties", ())}
