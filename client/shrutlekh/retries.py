"""When to try a request again, and how long to wait before."""

import random
from collections.abc import Callable
from dataclasses import dataclass

RETRYABLE_STATUS = frozenset({429, 503, 507})


@dataclass(frozen=True, slots=True)
class Retries:
    """Exponential backoff with jitter; a ``Retry-After`` of the server is a lower bound.

    A service whose queue is full (429) says by ``Retry-After`` when to come again, and is well.

    Attributes:
        attempts: tries of a request, the first included.
        base: seconds before the second try; doubles with each further one.
        longest: most seconds between two tries, unless the server asks for more.
        longest_asked: most seconds between two tries where the server asks for them.
        waits_for_room: whether a full queue is waited out, however many tries that takes.
    """

    attempts: int = 4
    base: float = 0.25
    longest: float = 20.0
    longest_asked: float = 20.0
    waits_for_room: bool = False

    def delay(
        self, tried: int, retry_after: float | None = None, jitter: Callable[[], float] = random.random
    ) -> float:
        """Seconds to wait after the ``tried``-th try (from 1) failed.

        Half of the backoff is random, so that clients which failed together do not come back together.
        """
        backoff = min(self.longest, self.base * 2.0 ** (tried - 1))
        wait = backoff * (0.5 + 0.5 * jitter())
        if retry_after is not None:
            wait = max(wait, min(retry_after, self.longest_asked))
        return wait


NO_RETRIES = Retries(attempts=1)
PATIENT = Retries(attempts=10, longest_asked=300.0, waits_for_room=True)
"""Outlasts a restart of the service (about a minute), and a full queue however long it is full."""
