"""The lease on a running job: renewed with progress, partial results saved along with it."""

import time
import uuid
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import insert
from sqlalchemy.orm import Session

from shared.database import Database
from shared.lifecycle import renew
from shared.tables import SegmentRow
from speech.transcript import Segment


class Cancelled(Exception):
    """The owner of the job asked to cancel it."""


class Lease:
    """What a worker holds while it works on a job.

    Segments are kept in memory and saved at most every ``every`` seconds, together with the renewal: a short
    recording then costs no extra transaction.
    """

    def __init__(
        self, database: Database, job_id: uuid.UUID, owner: str, seconds: float, every: float
    ) -> None:
        self.owner = owner
        self._database = database
        self._job_id = job_id
        self._length = timedelta(seconds=seconds)
        self._every = every
        self._renewed = time.monotonic()
        self._progress = 0.0
        self._unsaved: list[Segment] = []
        self._saved = 0

    def add(self, segment: Segment) -> None:
        """Take a finished segment."""
        self._unsaved.append(segment)

    def keep(self, progress: float) -> bool:
        """Renew the lease, with progress and partial results, if it is time to. True if it was.

        Raises:
            Cancelled: the job shall not go on.
            IllegalTransition: the lease was lost; somebody else has the job now.
        """
        if time.monotonic() - self._renewed < self._every:
            return False
        self._progress = max(self._progress, progress)  # an estimate may fall, what people see must not
        with self._database.write() as session:
            go_on = renew(session, self._job_id, self.owner, self._length, self._progress)
            self.save_segments(session)
        self._renewed = time.monotonic()
        if not go_on:
            raise Cancelled
        return True

    def save_segments(self, session: Session) -> None:
        """Write the segments that are not in the database yet."""
        rows = rows_of(self._job_id, self._saved, self._unsaved)
        if rows:
            session.execute(insert(SegmentRow), rows)
        self._saved += len(rows)
        self._unsaved.clear()


def rows_of(job_id: uuid.UUID, first: int, segments: Sequence[Segment]) -> list[dict[str, object]]:
    """Segments as rows of the table, counted from ``first``. Times to the millisecond."""
    return [
        {
            "job_id": job_id,
            "position": position,
            "start_seconds": round(segment.start, 3),
            "end_seconds": round(segment.end, 3),
            "text": segment.text,
            "confidence": None if segment.confidence is None else round(segment.confidence, 4),
            "words": [
                {
                    "text": word.text,
                    "start": round(word.start, 3),
                    "end": round(word.end, 3),
                    "confidence": round(word.confidence, 4),
                }
                for word in segment.words
            ],
        }
        for position, segment in enumerate(segments, first)
    ]
