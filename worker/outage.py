"""A database that is away for a while, as at its restart, costs time and no work."""

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
    """What ``action`` returns, tried again with growing pauses while the database is away.

    Args:
        action: is given True when it was tried before. That try may have taken effect all the same, for a
            connection can be lost between a COMMIT and its answer.
        seconds: how long it is tried; never less than :data:`PATIENCE_SECONDS`.
        give_up: looked at before a pause; true ends it at once.

    Raises:
        DatabaseUnavailable: it stayed away.
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
