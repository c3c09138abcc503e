"""API keys: who may do what, and whose jobs are whose.

A key belongs to a tenant. Jobs, batches and what comes of them belong to the tenant of the key that submitted
them, and other tenants cannot see them. A new key makes a new tenant, unless it replaces a key of an existing
one. Without a key, where the service requires none, the tenant is the empty string.
"""

import enum
import hmac
import re
import secrets
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

import structlog
from sqlalchemy import Index, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column
from uuid_utils.compat import uuid7

from shared.clock import now
from shared.orm import Base, Json, UtcDateTime

NO_TENANT = ""
START = "shl_"
PREFIX_DIGITS = 8
SECRET_BYTES = 32
LONGEST_NAME = 64
_WELL_FORMED = re.compile(rf"{START}[0-9a-f]{{{PREFIX_DIGITS}}}_[A-Za-z0-9_-]{{43}}")

log = structlog.get_logger(__name__)


class Scope(enum.StrEnum):
    """What a key may be used for."""

    SUBMIT = "submit"  # submit, cancel, retry and erase
    READ = "read"  # everything that GET answers
    ADMIN = "admin"  # all of it, for the jobs of every tenant


class ApiKey(Base):
    """A key. Of its secret only the SHA-256 is stored: it is too random to be guessed from that."""

    __tablename__ = "api_keys"
    __table_args__ = (Index("uq_api_keys_prefix", "prefix", unique=True),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(String(36))
    name: Mapped[str] = mapped_column(String(64))
    prefix: Mapped[str] = mapped_column(String(16))  # its first characters, which people recognise it by
    sha256: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[str]] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Limits; NULL: the setting of the service.
    requests_per_minute: Mapped[int | None]
    jobs_waiting: Mapped[int | None]
    audio_hours_per_day: Mapped[float | None]

    @property
    def limits(self) -> "Limits":
        """The limits of this key."""
        return Limits(self.requests_per_minute, self.jobs_waiting, self.audio_hours_per_day)

    def is_valid(self, moment: datetime) -> bool:
        """Return whether the key is neither revoked nor expired at that time."""
        return self.revoked_at is None and (self.expires_at is None or moment < self.expires_at)

    @property
    def tenant_mark(self) -> str:
        """The end of the tenant's id, which is enough for people to tell tenants apart."""
        return self.tenant[-8:]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a key; None: the setting of the service."""

    requests_per_minute: int | None = None
    jobs_waiting: int | None = None
    audio_hours_per_day: float | None = None


NO_LIMITS = Limits()


class Created(NamedTuple):
    """A new key, and the text that its owner sends. The text is not stored and can't be shown again."""

    key: ApiKey
    secret: str


def create_key(
    session: Session,
    name: str,
    scopes: Collection[Scope],
    *,
    tenant: str | None = None,
    expires_at: datetime | None = None,
    limits: Limits = NO_LIMITS,
) -> Created:
    """Make a key.

    Args:
        session: a writing session; the caller commits.
        name: for people; also the client of the jobs that the key submits. The caller checks that it is free.
        scopes: what it may be used for.
        tenant: whose jobs it submits and sees; a new tenant by default.
        expires_at: when it stops being valid; never by default.
        limits: where they differ from the service's.
    """
    prefix = START + secrets.token_hex(PREFIX_DIGITS // 2)
    secret = f"{prefix}_{secrets.token_urlsafe(SECRET_BYTES)}"
    key_id = uuid7()
    key = ApiKey(
        id=key_id,
        tenant=str(key_id) if tenant is None else tenant,
        name=name,
        prefix=prefix,
        sha256=digest_of(secret),
        scopes=sorted(scope.value for scope in scopes),
        created_at=now(),
        expires_at=expires_at,
        requests_per_minute=limits.requests_per_minute,
        jobs_waiting=limits.jobs_waiting,
        audio_hours_per_day=limits.audio_hours_per_day,
    )
    session.add(key)
    session.flush()
    log.info("key_created", prefix=prefix, scopes=key.scopes, tenant=key.tenant)
    return Created(key, secret)


def revoke_key(session: Session, key: ApiKey) -> None:
    """Make a key invalid for good. Does nothing if it is revoked already.

    Args:
        session: a writing session; the caller commits.
        key: a key that this session has read.
    """
    if key.revoked_at is None:
        key.revoked_at = now()
        session.flush()
        log.info("key_revoked", prefix=key.prefix, tenant=key.tenant)


def is_well_formed(secret: str) -> bool:
    """Return whether a text has the form of a key. No other text needs to be looked up."""
    return _WELL_FORMED.fullmatch(secret) is not None


def find_key(session: Session, secret: str) -> ApiKey | None:
    """Return the key with this secret, also one that is expired or revoked; None if there is none."""
    if not is_well_formed(secret):
        return None
    key = key_with_prefix(session, secret[: len(START) + PREFIX_DIGITS])
    if key is None or not hmac.compare_digest(key.sha256, digest_of(secret)):
        return None
    return key


def key_with_prefix(session: Session, prefix: str) -> ApiKey | None:
    """Return the key that people know by this prefix, or None."""
    return session.scalar(select(ApiKey).where(ApiKey.prefix == prefix))


def valid_keys_named(session: Session, name: str) -> list[ApiKey]:
    """Return the keys with this name that are valid now."""
    moment = now()
    return [key for key in session.scalars(select(ApiKey).where(ApiKey.name == name)) if key.is_valid(moment)]


def all_keys(session: Session) -> Sequence[ApiKey]:
    """Return all keys, oldest first."""
    return session.scalars(select(ApiKey).order_by(ApiKey.created_at, ApiKey.id)).all()


def digest_of(secret: str) -> str:
    """Return the SHA-256 of a secret, as it is stored."""
    return sha256(secret.encode()).hexdigest()
