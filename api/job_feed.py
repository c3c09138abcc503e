"""The events of a job or a batch, for one listener, from what the database says.

Everything that a listener gets again after its connection broke comes from the database: an event id tells
which transition it has seen and how many segments of the current run, or how many ends of a batch's jobs.
"""

import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from api.http.event_stream import event
from api.http.paths import Paths
from api.http.schemas import (
    BatchProgressOut,
    JobOut,
    NewestSegmentOut,
    ProgressOut,
    SavedSegmentOut,
    TransitionOut,
)
from shared.jobs import BEGINS_RUN, BatchNews, JobEvent, JobNews, JobStatus, ListNews

_ID = re.compile(r"([0-9]{1,18})\.([0-9]{1,9})(\.end)?")


@dataclass(frozen=True, slots=True)
class EventId:
    """Where a listener is.

    Attributes:
        event: id of the newest transition that it has seen; 0 for none.
        count: segments of the run, or ended jobs of the batch, that it has seen.
        is_end: whether it has seen the end.
    """

    event: int = 0
    count: int = 0
    is_end: bool = False

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Parse an id. A malformed one is the beginning, because a browser would repeat it for ever."""
        match = _ID.fullmatch(text or "")
        return cls(int(match[1]), int(match[2]), match[3] is not None) if match else cls()

    def __str__(self) -> str:
        return f"{self.event}.{self.count}{'.end' if self.is_end else ''}"


class JobFeed:
    """What one listener of a job has been sent.

    Args:
        at: where the listener is.
        paths: for the links of the job.
    """

    def __init__(self, at: EventId, paths: Paths) -> None:
        self.event = at.event
        self.segments = at.count
        self.has_ended = False
        self.has_more = False
        self._paths = paths
        self._progress: float | None = None

    def blocks(self, news: JobNews, position: int | None) -> Iterator[bytes]:
        """Format the news: transitions, segments, progress, then the end.

        The transition that ends the job comes after the segments, which it may have saved.

        Args:
            position: of the job in the queue.
        """
        job = JobOut.of(news.job, self._paths, position)
        ending = news.events[-1] if news.events and news.job.status.is_final else None
        for row in news.events if ending is None else news.events[:-1]:
            yield self._transition(row, job)
        self.segments = news.first
        for segment in news.segments:
            self.segments += 1
            yield self._event("segment", SavedSegmentOut.of(segment))
        self.has_more = news.has_more
        if self.has_more:
            return
        if news.job.status is JobStatus.RUNNING and news.job.progress != self._progress:
            self._progress = news.job.progress
            yield self._event("progress", ProgressOut(id=news.job.id, progress=news.job.progress))
        if ending is not None:
            yield self._transition(ending, job)
        if news.job.status.is_final:
            self.has_ended = True
            yield self._event("end", job)

    def _transition(self, row: JobEvent, job: JobOut) -> bytes:
        self.event = row.id
        if row.event in BEGINS_RUN:
            self.segments = 0
        out = TransitionOut(
            event=row.event,
            status=JobStatus(row.to_status),
            attempt=row.attempt,
            at=row.at,
            code=row.code,
            job=job,
        )
        return self._event("status", out)

    def _event(self, name: str, out: TransitionOut | SavedSegmentOut | ProgressOut | JobOut) -> bytes:
        event_id = EventId(self.event, self.segments, self.has_ended)
        return event(name, out.model_dump_json(), str(event_id))


class ListFeed:
    """What one listener of several jobs has been sent: for a list, which shows how each job is now.

    Args:
        job_ids: the jobs. Those that have ended or are gone are not looked at again.
        paths: for their links.
    """

    def __init__(self, job_ids: Iterable[uuid.UUID], paths: Paths) -> None:
        self.job_ids = list(dict.fromkeys(job_ids))
        self.has_ended = False
        self.has_more = False
        self._paths = paths
        self._sent: dict[uuid.UUID, bytes] = {}
        self._segments: dict[uuid.UUID, int] = {}

    def blocks(self, news: ListNews) -> Iterator[bytes]:
        """Format the jobs that are not as they were sent, their newest segments, and the end of all."""
        found = {job.id: job for job in news.jobs}
        for job_id in self.job_ids:
            if job_id not in found:
                yield event("erased", f'{{"id":"{job_id}"}}')
        self.job_ids = [job_id for job_id in self.job_ids if job_id in found]
        for job_id in self.job_ids:
            data = JobOut.of(found[job_id], self._paths, news.positions.get(job_id)).to_json()
            if data != self._sent.get(job_id):
                self._sent[job_id] = data
                yield event("job", data.decode())
            row = news.newest.get(job_id)
            if row is not None and row.position != self._segments.get(job_id):
                self._segments[job_id] = row.position
                yield event("segment", NewestSegmentOut.of(row).model_dump_json())
        self.job_ids = [job_id for job_id in self.job_ids if not found[job_id].status.is_final]
        if not self.job_ids:
            self.has_ended = True
            yield event("end", "{}")


class BatchFeed:
    """What one listener of a batch has been sent.

    Args:
        at: where the listener is.
        jobs: number of the batch's jobs.
        paths: for the links of the jobs.
    """

    def __init__(self, batch_id: uuid.UUID, at: EventId, jobs: int, paths: Paths) -> None:
        self.event = at.event
        self.ended = at.count
        self.seen: set[int] = set()  # ids of recent ends
        self.has_ended = False
        self.has_more = False
        self._id = batch_id
        self._jobs = jobs
        self._paths = paths
        self._counts: dict[JobStatus, int] | None = None

    def resume(self, news: BatchNews, ended: int) -> None:
        """Find out which of the news the listener has seen before its connection broke.

        Args:
            ended: number of ends up to its event. If it has seen fewer, a transaction with an earlier event
                was committed later, and the listener gets all recent ones again.
        """
        before = {event_id for event_id in news.recent if event_id <= self.event}
        if ended == self.ended:
            self.seen = before
        self.ended = ended - len(before) + len(self.seen)

    def is_over(self, news: BatchNews) -> bool:
        """Return whether all jobs have ended and the listener has seen that of each."""
        return _has_ended(news) and self.seen.issuperset(news.recent)

    def blocks(self, news: BatchNews) -> Iterator[bytes]:
        """Format the news: jobs that ended, the progress, then the end."""
        for one in news.ended:
            self.seen.add(one.event_id)
            self.event = max(self.event, one.event_id)
            self.ended += 1
            yield self._event("job", JobOut.of(one.job, self._paths))
        self.seen.intersection_update(news.recent)  # the others are too old to come again
        self.has_more = news.has_more
        if self.has_more:
            return
        counts = {status: news.counts.get(status, 0) for status in JobStatus}
        progress = BatchProgressOut(id=self._id, jobs=self._jobs, counts=counts)
        if counts != self._counts:
            self._counts = counts
            yield self._event("progress", progress)
        if _has_ended(news):
            self.has_ended = True
            yield self._event("end", progress)

    def _event(self, name: str, out: JobOut | BatchProgressOut) -> bytes:
        event_id = EventId(self.event, self.ended, self.has_ended)
        return event(name, out.model_dump_json(), str(event_id))


def _has_ended(news: BatchNews) -> bool:
    return all(status.is_final for status, count in news.counts.items() if count)
