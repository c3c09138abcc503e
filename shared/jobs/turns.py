"""Fair turns: clients share the workers equally, no matter how many jobs each submits.

Clients of the same name that belong to different tenants are different clients.

Start-time fair queueing (Goyal, Vin, Cheng 1996, "Start-time Fair Queueing"). A job gets a place in virtual
time when it is queued: the later of "now", which is the place of the next job in the queue, and the end of
the same client's preceding job. The length of a job is the size of its file. So a client with a single
recording comes right after the next job, however many recordings others have waiting, and two clients with
many recordings get the same number of bytes done. Turns apply within a priority; a higher priority always
goes first.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ScalarSelect, bindparam, select
from sqlalchemy.orm import Session

from shared.database_clock import database_now
from shared.jobs.tables import QUEUED, RUNNING, Job
from shared.keys import NO_TENANT

ORDER = (Job.priority, Job.turn, Job.id)

_JOBS = Job.__table__.c


def give_turns(session: Session, jobs: Sequence[Job]) -> datetime:
    """Set ``turn`` of one or more jobs that are about to be queued in this order.

    Returns:
        The time of the database's clock.
    """
    ends: dict[tuple[str, str, int], int] = {}
    for job in jobs:
        who = (job.tenant or NO_TENANT, job.client, job.priority)
        if who not in ends:
            ends[who], moment = _next_turn(session, *who)
        job.turn = ends[who]
        ends[who] += max(job.file_bytes, 1)
    return moment


def _next_turn(session: Session, tenant: str, client: str, priority: int) -> tuple[int, datetime]:
    """Return the place of a new job in virtual time, and the time of the database's clock."""
    who = {"tenant": tenant, "client": client, "priority": priority}
    own_last, first, running, moment = session.execute(_PLACES, who).one()
    present = running if first is None else first
    return max(own_last or 0, present or 0), moment


def _end_of_last() -> ScalarSelect[int]:
    same = (
        QUEUED,
        _JOBS.client == bindparam("client"),
        _JOBS.tenant == bindparam("tenant"),
        _JOBS.priority == bindparam("priority"),
    )
    own = select(_JOBS.turn + _JOBS.file_bytes).where(*same)
    return own.order_by(_JOBS.turn.desc()).limit(1).scalar_subquery()


def _first_queued() -> ScalarSelect[int]:
    queued = select(_JOBS.turn).where(QUEUED, _JOBS.priority == bindparam("priority"))
    return queued.order_by(_JOBS.turn).limit(1).scalar_subquery()


def _last_running() -> ScalarSelect[int]:
    """Select the turn of the last running job, which is "now" if the queue is empty."""
    running = select(_JOBS.turn).where(RUNNING, _JOBS.priority == bindparam("priority"))
    return running.order_by(_JOBS.turn.desc()).limit(1).scalar_subquery()


# Made once, because to make a query costs as much as to run it.
_PLACES = select(_end_of_last(), _first_queued(), _last_running(), database_now())
