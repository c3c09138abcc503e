"""Watch whether the service can work on the jobs that a run waits for."""

import threading
from collections.abc import Callable
from typing import Final

from shrutlekh.bulk.events import Resumed, Stalled
from shrutlekh.client import ShrutlekhClient
from shrutlekh.errors import ClientError

WATCH_SECONDS: Final = 5.0
QUEUED: Final = "Recordings wait in its queue."


class ReadinessWatch:
    """Reports when the service stops working on jobs, and when it continues.

    Args:
        report: called once for each reason why the service does not work, and once when it works again.
        seconds: between two checks.
    """

    def __init__(
        self, client: ShrutlekhClient, report: Callable[[Stalled | Resumed], None], seconds: float
    ) -> None:
        self._client = client
        self._report = report
        self._seconds = seconds
        self._told: str | None = None

    def run(self, stopped: threading.Event) -> None:
        """Check at once and then every few seconds, until ``stopped`` is set."""
        before = reason = self._reason()
        while True:
            # A reason is told when it is seen twice, because a check of a busy service may time out.
            if reason is None or reason == before:
                self._tell(reason)
            if stopped.wait(self._seconds):
                return
            before, reason = reason, self._reason()

    def _tell(self, reason: str | None) -> None:
        if reason != self._told:
            self._told = reason
            self._report(Resumed() if reason is None else Stalled(reason))

    def _reason(self) -> str | None:
        """Return why the service does not work on jobs; None if it does."""
        try:
            readiness = self._client.ready()
        except ClientError as error:
            return error.message
        if readiness.draining:
            return f"The service's workers are drained: an operator told them to take no more jobs. {QUEUED}"
        if readiness.missing == "workers":
            return f"The service has no running worker. {QUEUED}"
        return (
            None if readiness.ready else f"The service is not ready (missing: {readiness.missing}). {QUEUED}"
        )
