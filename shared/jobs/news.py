"""What has changed: marks that tell whether a job or a batch has, and the news since a listener last looked.

A listener counts the segments of a run. A run begins with the submission, a retry or a restart: between the
two ends of a run no segment is dropped, so a position never means two segments.
"""

import uuid
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Select, bindparam, func, select, tuple_
from sqlalchemy.orm import Session

from shared.database import Database
from shared.jobs.lifecycle import Event
from shared.jobs.queries import get_job, queue_positions
from shared.jobs.tables import Job, JobEvent, JobStatus, SegmentRow

# Ids in one IN (...): SQLite limits the variables of a statement.
IDS_AT_ONCE = 500
# Segments that a listener gets from one read.
SEGMENTS_AT_ONCE = 200
# Jobs of a batch that a listener gets from one read.
JOBS_AT_ONCE = 200
# A transaction may commit after another one with later event ids. So many ids back it may come to light.
LATE_EVENTS = 1000

# Events with which a run begins, besides the submission.
BEGINS_RUN = frozenset({Event.RETRIED, Event.RESTARTED})

FINAL = tuple(status.value for status in JobStatus if status.is_final)


@dataclass(frozen=True, slots=True)
class JobNews:
    """What is new about a job.

    Attributes:
        events: transitions, oldest first.
        first: position of the first of ``segments`` within the run.
        segments: saved since, in the order in which they were saved.
        has_more: whether there are more segments than these.
    """

    job: Job
    events: Sequence[JobEvent]
    first: int
    segments: Sequence[SegmentRow]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """An end of a job of a batch: the id of its event, and the job as it is now."""

    event_id: int
    job: Job


@dataclass(frozen=True, slots=True)
class BatchNews:
    """What is new about a batch.

    Attributes:
        counts: number of its jobs by status.
        recent: ids of the ends of its jobs that the listener may not have seen, and of some before.
        ended: the first of those that it has not seen, in the order of their events.
        has_more: whether there are more of them.
    """

    counts: Mapping[JobStatus, int]
    recent: Sequence[int]
    ended: Sequence[Ended]
    has_more: bool


@dataclass(frozen=True, slots=True)
class ListNews:
    """Several jobs as they are now.

    Attributes:
        jobs: those that exist and may be seen.
        positions: in the queue, of those that wait.
        newest: the segment that was saved last, of those that run and have one.
    """

    jobs: Sequence[Job]
    positions: Mapping[uuid.UUID, int]
    newest: Mapping[uuid.UUID, SegmentRow]


class Mark(NamedTuple):
    """What a job or a batch was like when it was looked at.

    Attributes:
        state: changes whenever there is something to see for those who follow it.
        has_ended: whether the job, or all jobs of the batch, have ended.
    """

    state: Hashable
    has_ended: bool


def marks_of_jobs(database: Database, job_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Mark]:
    """Return the marks of those jobs that exist."""
    return {
        job_id: Mark((status, *rest), status.is_final)
        for ids in _chunks(job_ids)
        for job_id, status, *rest in database.rows(_STATES_OF_JOBS, {"ids": ids})
    }


def marks_of_batches(database: Database, batch_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Mark]:
    """Return the marks of those batches that have jobs. Progress within a job does not change them."""
    found: defaultdict[uuid.UUID, dict[JobStatus, tuple[int, int]]] = defaultdict(dict)
    for ids in _chunks(batch_ids):
        for batch_id, status, jobs, attempts in database.rows(_STATES_OF_BATCHES, {"ids": ids}):
            assert batch_id is not None
            found[batch_id][status] = jobs, attempts
    return {
        batch_id: Mark(frozenset(states.items()), all(status.is_final for status in states))
        for batch_id, states in found.items()
    }


def news_of_job(
    session: Session, job_id: uuid.UUID, tenant: str | None, *, event: int, segments: int
) -> JobNews:
    """Return what is new about a job.

    Args:
        session: a session of :meth:`shared.database.Database.snapshot`.
        tenant: whose job it must be; None for anybody's.
        event: id of the newest event that the listener knows; 0 for none.
        segments: how many segments it has of the run that this event belongs to.

    Raises:
        JobNotFound: as :func:`shared.jobs.queries.get_job`.
    """
    job = get_job(session, job_id, tenant)
    of_job = JobEvent.job_id == job_id
    events = session.scalars(select(JobEvent).where(of_job, JobEvent.id > event).order_by(JobEvent.id)).all()
    first = 0 if any(row.event in BEGINS_RUN for row in events) else segments
    saved = select(SegmentRow).where(SegmentRow.job_id == job_id, SegmentRow.position >= first)
    rows = session.scalars(saved.order_by(SegmentRow.position).limit(SEGMENTS_AT_ONCE + 1)).all()
    return JobNews(job, events, first, rows[:SEGMENTS_AT_ONCE], len(rows) > SEGMENTS_AT_ONCE)


def news_of_jobs(session: Session, job_ids: Sequence[uuid.UUID], tenant: str | None) -> ListNews:
    """Return what a list shows of some jobs, in a few queries however many there are.

    Args:
        session: a session of :meth:`shared.database.Database.snapshot`.
        job_ids: at most :data:`IDS_AT_ONCE`.
        tenant: whose jobs they must be; None for anybody's.
    """
    found = session.scalars(select(Job).where(Job.id.in_(job_ids))).all()
    jobs = [job for job in found if tenant in (None, job.tenant)]
    last = [
        (job.id, job.chunks_done - 1) for job in jobs if job.status is JobStatus.RUNNING and job.chunks_done
    ]
    place = tuple_(SegmentRow.job_id, SegmentRow.position)
    rows = session.scalars(select(SegmentRow).where(place.in_(last))).all() if last else ()
    return ListNews(jobs, queue_positions(session, jobs), {row.job_id: row for row in rows})


def newest_event(session: Session, job_id: uuid.UUID) -> int:
    """Return the id of a job's newest event; 0 if there is none."""
    return session.scalar(select(func.max(JobEvent.id)).where(JobEvent.job_id == job_id)) or 0


def news_of_batch(session: Session, batch_id: uuid.UUID, *, event: int, seen: Set[int]) -> BatchNews:
    """Return what is new about a batch since an event, and the :data:`LATE_EVENTS` ids before it.

    Args:
        session: a session of :meth:`shared.database.Database.snapshot`.
        event: id of the newest event that the listener knows; 0 for none.
        seen: ids of recent ends that it has seen.
    """
    counted = select(Job.status, func.count()).where(Job.batch_id == batch_id).group_by(Job.status)
    counts = {row[0]: row[1] for row in session.execute(counted)}
    ended = _ended(batch_id).where(JobEvent.id > max(0, event - LATE_EVENTS)).order_by(JobEvent.id)
    recent = {row[0]: row[1] for row in session.execute(ended.limit(LATE_EVENTS + JOBS_AT_ONCE))}
    unseen = [event_id for event_id in recent if event_id not in seen]
    chosen = unseen[:JOBS_AT_ONCE]
    found = session.scalars(select(Job).where(Job.id.in_({recent[event_id] for event_id in chosen})))
    jobs = {job.id: job for job in found}
    return BatchNews(
        counts=counts,
        recent=list(recent),
        ended=[Ended(event_id, jobs[recent[event_id]]) for event_id in chosen],
        has_more=len(unseen) > len(chosen),
    )


def count_ended(session: Session, batch_id: uuid.UUID, event: int) -> int:
    """Count the ends of a batch's jobs up to an event."""
    ended = _ended(batch_id).where(JobEvent.id <= event).subquery()
    return session.scalar(select(func.count()).select_from(ended)) or 0


def _ended(batch_id: uuid.UUID) -> Select[int, uuid.UUID]:
    of_batch = select(JobEvent.id, JobEvent.job_id).join(Job, Job.id == JobEvent.job_id)
    return of_batch.where(Job.batch_id == batch_id, JobEvent.to_status.in_(FINAL))


_STATES_OF_JOBS = select(
    Job.id,
    Job.status,
    Job.progress,
    Job.cancel_requested,
    Job.chunks_done,
    select(func.max(JobEvent.id)).where(JobEvent.job_id == Job.id).scalar_subquery(),
).where(Job.id.in_(bindparam("ids", expanding=True)))
_STATES_OF_BATCHES = (
    select(Job.batch_id, Job.status, func.count(), func.sum(Job.attempt))
    .where(Job.batch_id.in_(bindparam("ids", expanding=True)))
    .group_by(Job.batch_id, Job.status)
)


def _chunks(ids: Sequence[uuid.UUID]) -> Iterator[Sequence[uuid.UUID]]:
    for start in range(0, len(ids), IDS_AT_ONCE):
        yield ids[start : start + IDS_AT_ONCE]
