"""The signing secrets of tenants: made at the first need, and replaced with both valid for a while."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shared.clock import now
from shared.webhooks.signing import new_secret
from shared.webhooks.tables import SigningSecret

# How long webhooks are also signed with the secret before the present one.
OVERLAP = timedelta(hours=24)


def signing_secret(session: Session, tenant: str) -> SigningSecret:
    """Return the secret of a tenant, and make it if there is none.

    Args:
        session: a writing session; the caller commits.
        tenant: whose secret.
    """
    found = session.get(SigningSecret, tenant, populate_existing=True)
    if found is not None:
        return found
    try:
        with session.begin_nested():
            session.execute(
                insert(SigningSecret).values(tenant=tenant, secret=new_secret(), created_at=now())
            )
    except IntegrityError:  # another process was faster
        pass
    return session.get_one(SigningSecret, tenant, populate_existing=True)


def rotate_secret(session: Session, tenant: str) -> SigningSecret:
    """Replace the secret of a tenant. The replaced one stays valid for :data:`OVERLAP`.

    Args:
        session: a writing session; the caller commits.
        tenant: whose secret.
    """
    current = signing_secret(session, tenant)
    moment = now()
    session.execute(
        update(SigningSecret)
        .where(SigningSecret.tenant == tenant)
        .values(
            secret=new_secret(),
            created_at=moment,
            previous=current.secret,
            previous_until=moment + OVERLAP,
        )
        .execution_options(synchronize_session=False)
    )
    return session.get_one(SigningSecret, tenant, populate_existing=True)


def valid_secrets(session: Session, tenant: str) -> Sequence[str]:
    """Return the secrets that a tenant's webhooks are signed with now, the newest first.

    Args:
        session: a writing session; the caller commits.
        tenant: whose secrets.
    """
    found = signing_secret(session, tenant)
    if found.previous is None or found.previous_until is None or found.previous_until <= now():
        return [found.secret]
    return [found.secret, found.previous]
