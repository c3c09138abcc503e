"""Tickets: for an hour, a URL with one opens one recording. Players can't send an API key.

Redis keeps the SHA-256 of a ticket. Without it a player asks for a new one, so losing it loses nothing.
"""

import hashlib
import secrets
import uuid
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.clock import now
from shared.errors import TicketInvalid, TicketsUnavailable

LIFETIME: Final = timedelta(hours=1)
LONGEST: Final = 64
_BYTES: Final = 32
_PREFIX: Final = "shrutlekh:ticket:"


class Ticket(NamedTuple):
    """A ticket and when it expires."""

    secret: str
    expires_at: datetime


class Tickets:
    """Issues and checks tickets."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def issue(self, job_id: uuid.UUID) -> Ticket:
        """Issue a ticket for the recording of a job.

        Raises:
            TicketsUnavailable: Redis does not answer.
        """
        ticket = Ticket(secrets.token_urlsafe(_BYTES), now() + LIFETIME)
        try:
            await self._redis.set(_key(ticket.secret), str(job_id), ex=LIFETIME)
        except (RedisError, OSError) as error:
            raise _unavailable() from error
        return ticket

    async def check(self, secret: str, job_id: uuid.UUID) -> None:
        """Check a ticket for the recording of a job.

        Raises:
            TicketInvalid: it has expired, or is for another recording.
            TicketsUnavailable: Redis does not answer.
        """
        try:
            opened = await self._redis.get(_key(secret))
        except (RedisError, OSError) as error:
            raise _unavailable() from error
        if opened is None or opened != str(job_id).encode():
            raise TicketInvalid("The ticket has expired, or is for another recording. Ask for a new one.")


def _key(secret: str) -> str:
    return _PREFIX + hashlib.sha256(secret.encode()).hexdigest()


def _unavailable() -> TicketsUnavailable:
    return TicketsUnavailable(
        "Redis does not answer, so no ticket can be issued or checked. Try again, or send an API key.",
        headers={"Retry-After": "1"},
    )
