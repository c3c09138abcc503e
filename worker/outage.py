"""Retry through a database outage, such as a restart, so that it costs time but no finished work."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from shared.errors import DatabaseUnavailable

PATIENCE_SECONDS = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0

Result = TypeVar("Result")

log = structlog.get_logger(__name__)


def outlast(action: Callable[[bool], Result], seconds: float, give_up: Callable[[], bool]) -> Result:
    """Call ``action`` and return its result. Retry it with exponential backoff while the database is away.

    Args:
        action: receives True if it was called before. That call may have taken effect, because a connection
            can be lost between COMMIT and its acknowledgement.
        seconds: how long to retry, at least :data:`PATIENCE_SECONDS`.
        give_up: checked before each pause; if true, the retries end at once.

    Raises:
        DatabaseUnavailable: the database stayed away.
    """
    deadline = time.monotonic() + max(seconds, PATIENCE_SECONDS)
    pause = FIRST_PAUSE
    again = False
    while True:
        try:
            return action(again)
        except DatabaseUnavailable:
            if time.monotonic() + pause > deadline or give_up():
                raise
        if not again:
            log.warning("database_unavailable")
        again = True
        time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        pause = min(2 * pause, LONGEST_PAUSE)
