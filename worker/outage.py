"""Retry through an outage, such as a restart of the database, so that it costs time but no finished work."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from shared.errors import DatabaseUnavailable, ServiceError

PATIENCE_SECONDS = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0

Result = TypeVar("Result")

log = structlog.get_logger(__name__)


def outlast(
    action: Callable[[bool], Result],
    seconds: float,
    give_up: Callable[[], bool],
    outage: tuple[type[ServiceError], ...] = (DatabaseUnavailable,),
) -> Result:
    """Call ``action`` and return its result. Retry it with exponential backoff during an outage.

    Args:
        action: receives True if it was called before. That call may have taken effect, because a connection
            can be lost between COMMIT and its acknowledgement.
        seconds: how long to retry, at least :data:`PATIENCE_SECONDS`.
        give_up: checked before each pause; if true, the retries end at once.
        outage: errors that an outage causes: by default, of the database.

    Raises:
        ServiceError: one of ``outage``, which lasted.
    """
    deadline = time.monotonic() + max(seconds, PATIENCE_SECONDS)
    pause = FIRST_PAUSE
    again = False
    while True:
        try:
            return action(again)
        except outage as error:
            if time.monotonic() + pause > deadline or give_up():
                raise
            code = error.code
        if not again:
            log.warning(code)
        again = True
        time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        pause = min(2 * pause, LONGEST_PAUSE)
