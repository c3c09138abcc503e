"""Counts of jobs by state for pages that ask again and again."""

import threading
import time
from typing import Final, NamedTuple

from sqlalchemy.orm import Session

from shared.jobs import JobStatus, Selection, counts_by_status

MANY: Final = 100_000
"""A count of more jobs is reused: it reads as many entries of an index."""
REUSED_FOR: Final = 50
"""How many times as long as it took. So counting takes a fiftieth of a connection, however many ask."""
MOST: Final = 1000
"""Selections that are remembered."""


class _Counted(NamedTuple):
    counts: dict[JobStatus, int]
    until: float


class Counts:
    """Counts that are reused for a while if they are of many jobs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[Selection, _Counted] = {}

    def of(self, session: Session, selection: Selection) -> dict[JobStatus, int]:
        """Count the selected jobs by state. Runs in a thread."""
        with self._lock:
            known = self._found.get(selection)
        began = time.monotonic()
        if known is not None and began < known.until:
            return known.counts
        counts = counts_by_status(session, selection)
        spent = time.monotonic() - began
        if sum(counts.values()) > MANY:
            with self._lock:
                if len(self._found) >= MOST:
                    self._found.clear()
                self._found[selection] = _Counted(counts, began + REUSED_FOR * spent)
        return counts
