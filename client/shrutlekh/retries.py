"""When to retry a request and how long to wait first. Tenacity runs the loop, for both clients."""

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tenacity import RetryCallState

from shrutlekh.errors import ApiError, InvalidUrl, Unreachable

RETRYABLE_STATUS = frozenset({429, 503, 507})

OnWait = Callable[[str, float], None]
"""Called before each pause with the reason and the seconds."""


@dataclass(frozen=True, slots=True)
class Retries:
    """Exponential backoff with jitter; ``Retry-After`` of the service is a lower bound.

    A 429 with ``Retry-After`` means that the service is healthy and its queue is full.

    Attributes:
        attempts: tries of a request, including the first.
        base: seconds before the second try. The pause doubles with each further try.
        longest: longest pause in seconds, unless the service asks for a longer one.
        longest_asked: longest pause in seconds that the service may ask for.
        waits_for_room: whether to wait for a full queue without counting the tries.

    >>> Retries(attempts=3, base=1.0).delay(2, jitter=lambda: 1.0)
    2.0
    """

    attempts: int = 4
    base: float = 0.25
    longest: float = 20.0
    longest_asked: float = 20.0
    waits_for_room: bool = False

    def delay(
        self, tried: int, retry_after: float | None = None, jitter: Callable[[], float] = random.random
    ) -> float:
        """Return the seconds to wait after the ``tried``-th try (from 1) failed.

        Half of the backoff is random, so that clients that failed at the same time do not retry at the same
        time.
        """
        backoff = min(self.longest, self.base * 2.0 ** (tried - 1))
        wait = backoff * (0.5 + 0.5 * jitter())
        if retry_after is not None:
            wait = max(wait, min(retry_after, self.longest_asked))
        return wait

    def for_tenacity(self, on_wait: OnWait | None = None) -> dict[str, Any]:
        """Return the arguments of :class:`tenacity.Retrying` or ``AsyncRetrying`` for one request."""
        tries = _Tries(self, on_wait)
        return {
            "retry": tries.is_retried,
            "after": tries.count,
            "wait": tries.pause,
            "stop": tries.is_last,
            "before_sleep": tries.tell,
            "reraise": True,
        }


NO_RETRIES = Retries(attempts=1)
PATIENT = Retries(attempts=10, longest_asked=300.0, waits_for_room=True)
"""Survives a restart of the service (about a minute), and a full queue for as long as it stays full."""
TIRELESS = replace(PATIENT, attempts=sys.maxsize)
"""Survives everything, for a run that nobody watches."""


class _Tries:
    """The failed tries of one request, counted for Tenacity's hooks, which run in the order below."""

    def __init__(self, policy: Retries, on_wait: OnWait | None) -> None:
        self._policy = policy
        self._on_wait = on_wait
        self._counted = 0

    def is_retried(self, state: RetryCallState) -> bool:
        match _failure(state):
            case ApiError(status=status):
                return status in RETRYABLE_STATUS
            case InvalidUrl():
                return False
            case failure:
                return isinstance(failure, Unreachable)

    def count(self, state: RetryCallState) -> None:
        """Count a failed try. A full queue resets the count, because the service is up."""
        failure = _failure(state)
        is_full = isinstance(failure, ApiError) and failure.status == 429 and failure.retry_after is not None
        self._counted = 0 if is_full and self._policy.waits_for_room else self._counted + 1

    def pause(self, state: RetryCallState) -> float:
        return self._policy.delay(max(self._counted, 1), getattr(_failure(state), "retry_after", None))

    def is_last(self, _: RetryCallState) -> bool:
        return self._counted >= self._policy.attempts

    def tell(self, state: RetryCallState) -> None:
        failure = _failure(state)
        if self._on_wait is not None and isinstance(failure, ApiError | Unreachable):
            self._on_wait(failure.message, state.upcoming_sleep)


def _failure(state: RetryCallState) -> BaseException | None:
    return None if state.outcome is None else state.outcome.exception()
