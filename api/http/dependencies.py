"""Annotated types for route parameters: services, ids, headers, query parameters."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Header, Path, Query, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from api.http.authentication import Caller, secret_in
from api.http.paths import Paths
from api.services import Services
from shared.jobs import JobStatus
from shared.keys import Scope


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def _paths(request: Request) -> Paths:
    return Paths.of(request.scope)


# Only documents the scheme: the header is read by `authenticated`.
BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="ApiKey",
    description="An API key. `shrutlekh keys create` makes one. Not needed where the service requires none. "
    "The header `X-API-Key` does as well.",
)


async def authenticated(connection: HTTPConnection, scope: Scope, secret: str | None = None) -> Caller:
    """Return who makes this request or WebSocket connection, after counting it against the rate limit.

    Args:
        scope: what the caller wants to do.
        secret: a key that was sent elsewhere than in the headers.

    Raises:
        KeyMissing, KeyInvalid, DatabaseUnavailable: see :meth:`api.http.authentication.KeyRing.caller`.
        RateLimited: the key sends too many requests.
        ScopeMissing: the key may not be used for this.
    """
    services: Services = connection.app.state.services
    caller = await services.keys.caller(secret or secret_in(connection.headers))
    await services.rate_limiter.admit(connection, caller)
    caller.require(scope)
    return caller


def _caller(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    async def caller(
        request: Request, _documented: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)]
    ) -> Caller:
        return await authenticated(request, scope)

    return caller


Reading = Annotated[Caller, Depends(_caller(Scope.READ))]
Submitting = Annotated[Caller, Depends(_caller(Scope.SUBMIT))]
ServicesDep = Annotated[Services, Depends(_services)]
PathsDep = Annotated[Paths, Depends(_paths)]
JobId = Annotated[uuid.UUID, Path(description="The job's id.")]
ModelName = Annotated[str, Path(max_length=64, description="Name of an installed model.")]
BatchId = Annotated[uuid.UUID, Path(description="The batch's id.")]
BatchFilter = Annotated[uuid.UUID | None, Query(alias="batch", description="Only jobs of this batch.")]
WaitSeconds = Annotated[
    float,
    Query(
        ge=0,
        allow_inf_nan=False,
        description="Long poll: respond when the job or batch has ended or, with If-None-Match, when it has "
        "changed, after this many seconds at most. Values above the service's limit are reduced to it.",
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]*$",
        description="A random string that you choose, of visible ASCII characters. If a response is lost, "
        "repeat the submission with the same key: it returns the first submission's job.",
        examples=["6f1c2c0e-8a53-4c1e-9d0a-2b6a7c1f5e42"],
    ),
]
StatusFilter = Annotated[JobStatus | None, Query(description="Only jobs in this state.")]
NameFilter = Annotated[
    str,
    Query(
        alias="name",
        max_length=255,
        pattern=r"^[^\x00]*$",  # which Postgres can't compare
        description="Only jobs whose file name contains this text, in upper or lower case.",
    ),
]
Cursor = Annotated[
    str | None,
    Query(
        description="`next_cursor` of the previous page.",
        json_schema_extra={"format": "cursor"},
        max_length=200,
    ),
]
Counts = Annotated[bool, Query(description="Also count all jobs by state, whatever the filter.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Maximum number of entries on a page.")]
