"""Whose turn it is: clients share the workers fairly, whoever came with more.

Start-time fair queueing (Goyal, Vin, Cheng 1996, "Start-time Fair Queueing"): each job is given a place in
virtual time when it is queued, the later of "now", which is the place of the job that is next, and the end
of the same client's job before it. A job is as long as its file. So somebody with one recording comes right
after the job that is next, however many recordings somebody else has waiting, and two who both have many get
the same number of bytes done. Within a priority; a higher one goes first, always.
"""

from collections.abc import Sequence

from sqlalchemy import ScalarSelect, select
from sqlalchemy.orm import Session

from shared.jobs.tables import QUEUED, RUNNING, Job

ORDER = (Job.priority, Job.turn, Job.id)


def give_turns(session: Session, jobs: Sequence[Job]) -> None:
    """Set ``turn`` of jobs that are about to be queued, in their order."""
    ends: dict[tuple[str, int], int] = {}
    for job in jobs:
        who = (job.client, job.priority)
        if who not in ends:
            ends[who] = _next_turn(session, *who)
        job.turn = ends[who]
        ends[who] += max(job.file_bytes, 1)


def _next_turn(session: Session, client: str, priority: int) -> int:
    """The place in virtual time of a new job."""
    own_last, first, running = session.execute(
        select(_end_of_last(client, priority), _first_queued(priority), _last_running(priority))
    ).one()
    present = running if first is None else first
    return max(own_last or 0, present or 0)


def _end_of_last(client: str, priority: int) -> ScalarSelect[int]:
    own = select(Job.turn + Job.file_bytes).where(QUEUED, Job.client == client, Job.priority == priority)
    return own.order_by(Job.turn.desc()).limit(1).scalar_subquery()


def _first_queued(priority: int) -> ScalarSelect[int]:
    queued = select(Job.turn).where(QUEUED, Job.priority == priority)
    return queued.order_by(Job.turn).limit(1).scalar_subquery()


def _last_running(priority: int) -> ScalarSelect[int]:
    """A running job may come back to the queue, so virtual time never falls far behind it."""
    running = select(Job.turn).where(RUNNING, Job.priority == priority)
    return running.order_by(Job.turn.desc()).limit(1).scalar_subquery()
