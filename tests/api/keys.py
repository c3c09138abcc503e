"""API keys for tests."""

from datetime import timedelta

import httpx

from shared.clock import now
from shared.database import Database
from shared.keys import NO_LIMITS, Limits, Scope, create_key, find_key, revoke_key

BOTH = (Scope.SUBMIT, Scope.READ)


def make_key(
    database: Database,
    *scopes: Scope,
    name: str = "somebody",
    tenant: str | None = None,
    limits: Limits = NO_LIMITS,
    revoked: bool = False,
    expired: bool = False,
) -> str:
    """Make a key and return its secret; for submitting and reading unless told otherwise."""
    with database.write() as session:
        created = create_key(session, name, scopes or BOTH, tenant=tenant, limits=limits)
        if revoked:
            revoke_key(session, created.key)
        if expired:
            created.key.expires_at = now() - timedelta(seconds=1)
    return created.secret


def tenant_of(database: Database, secret: str) -> str:
    with database.read() as session:
        key = find_key(session, secret)
    assert key is not None
    return key.tenant


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def is_error(answer: httpx.Response, code: str) -> bool:
    """Whether the answer is a problem document with this code, or an error in the shape of OpenAI."""
    document = answer.json()
    if answer.headers["content-type"] == "application/problem+json":
        return bool(document["code"] == code and document["status"] == answer.status_code)
    return bool(document["error"]["code"] == code and document["error"]["message"])
