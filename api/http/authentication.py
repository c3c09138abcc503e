"""Who calls: the API key of a request, and what it may do and see.

The service requires keys as the setting ``require_keys`` says: by default when it listens beyond loopback.
Where it requires none, a request without a key may do and see everything; one with a key is bound by it.
"""

from dataclasses import dataclass

from cachetools import TTLCache

from api.threads import Threads
from shared.clock import now
from shared.database import Database
from shared.errors import KeyInvalid, KeyMissing, ScopeMissing
from shared.keys import NO_LIMITS, NO_TENANT, START, ApiKey, Limits, Scope, find_key
from shared.settings import Settings

# How long a key that was looked up counts without another look: a revocation takes that long to work.
REMEMBERED_SECONDS = 5.0
MOST_REMEMBERED = 10_000
ALL_SCOPES = frozenset(Scope)
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="shrutlekh"'}


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
                f"The API key {self.key} lacks the scope `{scope}`. Use another key, or ask for one."
            )


ANYBODY = Caller()


class KeyRing:
    """Looks up keys, and remembers them for a few seconds."""

    def __init__(self, threads: Threads, database: Database, settings: Settings) -> None:
        self._threads = threads
        self._database = database
        self._required = settings.keys_required
        self._remembered: TTLCache[str, ApiKey | None] = TTLCache(MOST_REMEMBERED, REMEMBERED_SECONDS)

    async def caller(self, secret: str | None) -> Caller:
        """Return who sent this key.

        Where none is required, other credentials than ours are passed over: they may be a proxy's, or the
        placeholder that a client of another service insists on.

        Args:
            secret: the key, or None if none was sent.

        Raises:
            KeyMissing: no key was sent, and the service requires one.
            KeyInvalid: there is no such key, or it is revoked or has expired.
            DatabaseUnavailable: the key can't be looked up.
        """
        if secret is None or not (self._required or secret.startswith(START)):
            if self._required:
                raise KeyMissing(
                    "Send an API key: `Authorization: Bearer KEY`. `shrutlekh keys create` makes one.",
                    headers=CHALLENGE,
                )
            return ANYBODY
        key = await self._find(secret)
        if key is None:
            raise KeyInvalid("The service does not know this API key. Is it complete?", headers=CHALLENGE)
        if not key.is_valid(now()):
            gone = "was revoked" if key.revoked_at else "has expired"
            raise KeyInvalid(
                f"The API key {key.prefix} {gone}. Ask the operator for a new one.", headers=CHALLENGE
            )
        return Caller(
            tenant=key.tenant,
            scopes=frozenset(map(Scope, key.scopes)),
            name=key.name,
            key=key.prefix,
            limits=key.limits,
        )

    async def _find(self, secret: str) -> ApiKey | None:
        if secret not in self._remembered:

            def find() -> ApiKey | None:
                with self._database.read() as session:
                    return find_key(session, secret)

            self._remembered[secret] = await self._threads.read(find)
        return self._remembered[secret]


def secret_in(authorization: str | None) -> str | None:
    """Return the key in an Authorization header, or what it holds instead; None without a header."""
    kind, _, secret = (authorization or "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else authorization
