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

from sqlalchemy import ScalarSelect, select
from sqlalchemy.orm import Session

from shared.jobs.tables import QUEUED, RUNNING, Job
from shared.keys import NO_TENANT

ORDER = (Job.priority, Job.turn, Job.id)


def give_turns(session: Session, jobs: Sequence[Job]) -> None:
    """Set ``turn`` of jobs that are about to be queued in this order."""
    ends: dict[tuple[str, str, int], int] = {}
    for job in jobs:
        who = (job.tenant or NO_TENANT, job.client, job.priority)
        if who not in ends:
            ends[who] = _next_turn(session, *who)
        job.turn = ends[who]
        ends[who] += max(job.file_bytes, 1)


def _next_turn(session: Session, tenant: str, client: str, priority: int) -> int:
    """Return the place of a new job in virtual time."""
    own_last, first, running = session.execute(
        select(_end_of_last(tenant, client, priority), _first_queued(priority), _last_running(priority))
    ).one()
    present = running if first is None else first
    return max(own_last or 0, present or 0)


def _end_of_last(tenant: str, client: str, priority: int) -> ScalarSelect[int]:
    same = QUEUED, Job.client == client, Job.tenant == tenant, Job.priority == priority
    own = select(Job.turn + Job.file_bytes).where(*same)
    return own.order_by(Job.turn.desc()).limit(1).scalar_subquery()


def _first_queued(priority: int) -> ScalarSelect[int]:
    queued = select(Job.turn).where(QUEUED, Job.priority == priority)
    return queued.order_by(Job.turn).limit(1).scalar_subquery()


def _last_running(priority: int) -> ScalarSelect[int]:
    """Select the turn of the last running job, which is "now" if the queue is empty."""
    running = select(Job.turn).where(RUNNING, Job.priority == priority)
    return running.order_by(Job.turn.desc()).limit(1).scalar_subquery()
