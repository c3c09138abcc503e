"""Who calls: the API key of a request, and what it may do and see.

The service requires keys as the setting ``require_keys`` says: by default when it listens beyond loopback.
Where it requires none, a request without a key may do and see everything; one with a key is bound by it.

Nothing slows down whoever tries many keys: the 256 random bits of a key cannot be guessed. What such a flood
costs is bounded instead: few lookups run at a time, and few of their outcomes are remembered.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from anyio import CapacityLimiter
from cachetools import TTLCache

from api.threads import Threads
from shared.clock import now
from shared.database import Database
from shared.errors import KeyInvalid, KeyMissing, ScopeMissing
from shared.keys import (
    NO_LIMITS,
    NO_TENANT,
    START,
    ApiKey,
    Limits,
    Scope,
    digest_of,
    find_key,
    is_well_formed,
)
from shared.settings import Settings

# How long a key that was looked up counts without another look: a revocation takes that long to work.
REMEMBERED_SECONDS = 5.0
MOST_REMEMBERED = 10_000
# Less than api.threads.READS, so that a flood of wrong keys leaves threads to those who poll.
LOOKUPS_AT_ONCE = 3
ALL_SCOPES = frozenset(Scope)
REALM = 'Bearer realm="shrutlekh"'
KEY_HEADER = "x-api-key"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    Attributes:
        tenant: whose jobs it submits; empty without a key.
        scopes: what it may do.
        name: of its key; empty without one.
        key: prefix of its key, or None without one.
        limits: of its key.
    """

    tenant: str = NO_TENANT
    scopes: frozenset[Scope] = ALL_SCOPES
    name: str = ""
    key: str | None = None
    limits: Limits = NO_LIMITS

    @property
    def sees(self) -> str | None:
        """The tenant whose jobs the caller may see; None for everybody's."""
        return None if Scope.ADMIN in self.scopes else self.tenant

    def require(self, scope: Scope) -> None:
        """Check that the caller may do what ``scope`` stands for.

        Raises:
            ScopeMissing: its key is for other things.
        """
        if not self.scopes & {scope, Scope.ADMIN}:
            raise ScopeMissing(
                f"The API key {self.key} lacks the scope `{scope}`. Use another key, or ask for one.",
                headers={"WWW-Authenticate": f'{REALM}, error="insufficient_scope", scope="{scope}"'},
            )


ANYBODY = Caller()


class KeyRing:
    """Looks up keys, and remembers them for a few seconds."""

    def __init__(self, threads: Threads, database: Database, settings: Settings) -> None:
        self._threads = threads
        self._database = database
        self._required = settings.keys_required
        self._lookups = CapacityLimiter(LOOKUPS_AT_ONCE)
        # By their digests, so that memory holds no secrets. Apart, so that wrong keys displace no right ones.
        self._known: TTLCache[str, ApiKey] = TTLCache(MOST_REMEMBERED, REMEMBERED_SECONDS)
        self._unknown: TTLCache[str, None] = TTLCache(MOST_REMEMBERED, REMEMBERED_SECONDS)
        self._looking: dict[str, asyncio.Task[ApiKey | None]] = {}

    async def caller(self, secret: str | None) -> Caller:
        """Return who sent this key.

        Where none is required, other credentials than ours are passed over: they may be a proxy's, or the
        placeholder that a client of another service insists on.

        Args:
            secret: the key as :func:`secret_in` returns it.

        Raises:
            KeyMissing: no key was sent, and the service requires one.
            KeyInvalid: there is no such key, or it is revoked or has expired.
            DatabaseUnavailable: the key can't be looked up.
        """
        if secret is None or not (self._required or secret.startswith(START)):
            if self._required:
                raise KeyMissing(
                    "Send an API key: `Authorization: Bearer KEY`. `shrutlekh keys create` makes one.",
                    headers={"WWW-Authenticate": REALM},
                )
            return ANYBODY
        key = await self._find(secret)
        if key is None:
            raise _invalid(
                "The service does not know this API key. Is it complete, and sent as `Authorization: Bearer "
                "KEY`?"
            )
        if not key.is_valid(now()):
            gone = "was revoked" if key.revoked_at else "has expired"
            raise _invalid(f"The API key {key.prefix} {gone}. Ask the operator for a new one.")
        return Caller(
            tenant=key.tenant,
            scopes=frozenset(map(Scope, key.scopes)),
            name=key.name,
            key=key.prefix,
            limits=key.limits,
        )

    async def _find(self, secret: str) -> ApiKey | None:
        if not is_well_formed(secret):
            return None
        digest = digest_of(secret)
        if (known := self._known.get(digest)) is not None:
            return known
        if digest in self._unknown:
            return None
        if digest not in self._looking:
            self._looking[digest] = asyncio.create_task(self._look(secret, digest), name="key-lookup")
        # Shielded: requests with the same key share the lookup, and one that is cancelled must not end it.
        return await asyncio.shield(self._looking[digest])

    async def _look(self, secret: str, digest: str) -> ApiKey | None:
        def find() -> ApiKey | None:
            with self._database.read() as session:
                return find_key(session, secret)

        try:
            async with self._lookups:
                key = await self._threads.read(find)
        finally:
            del self._looking[digest]
        if key is None:
            self._unknown[digest] = None
        else:
            self._known[digest] = key
        return key


def secret_in(headers: Mapping[str, str]) -> str | None:
    """Return the key in a request's headers; empty for other credentials, None for no credentials at all.

    ``X-API-Key`` goes first: it is for those who need ``Authorization`` for a proxy in front.
    """
    if KEY_HEADER in headers:
        return headers[KEY_HEADER].strip()
    authorization = headers.get("authorization")
    if authorization is None:
        return None
    kind, _, secret = authorization.partition(" ")
    return secret.strip() if kind.lower() == "bearer" else ""


def _invalid(message: str) -> KeyInvalid:
    return KeyInvalid(message, headers={"WWW-Authenticate": f'{REALM}, error="invalid_token"'})
