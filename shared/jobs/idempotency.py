"""One job for one idempotency key, however often and by however many it is submitted."""

from shrutlekh_contract.options import SubmissionOptions, declared
from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.jobs.job_options import options_of
from shared.jobs.lifecycle import submit
from shared.jobs.tables import Job


def submit_once(session: Session, *jobs: Job, look_first: bool = True) -> list[Job]:
    """Insert those jobs whose idempotency key is free.

    Args:
        session: a writing session; the caller commits.
        jobs: new jobs, with a key or without.
        look_first: look for the keys before. Without it, and a query less, a key that is taken is known by
            IntegrityError alone.

    Returns:
        For each job itself, or the job that had its key before. Whether that is the same request is for the
        caller to ask: :func:`is_same_request`.

    Raises:
        IntegrityError: one of the keys is taken, for all that was seen in this moment. Try again, looking
            first: then its job is found.
    """
    keys = {job.idempotency_key for job in jobs if job.idempotency_key is not None}
    holders: dict[str | None, Job] = {}
    if keys and look_first:
        found = session.scalars(select(Job).where(Job.idempotency_key.in_(keys)))
        holders = {job.idempotency_key: job for job in found}
    result, new = [], []
    for job in jobs:
        holder = holders.get(job.idempotency_key)
        if holder is None:
            holder = job
            new.append(job)
            if job.idempotency_key is not None:
                holders[job.idempotency_key] = job
        result.append(holder)
    if new:
        # In one order everywhere: two processes with the same keys wait for each other in no circle.
        submit(session, *sorted(new, key=lambda job: job.idempotency_key or ""))
    return result


def holder_of(session: Session, key: str) -> Job | None:
    """The job that was submitted with this key."""
    return session.scalar(select(Job).where(Job.idempotency_key == key))


def is_same_request(first: Job, second: Job) -> bool:
    """True when two jobs of one key ask for the same thing: the same recording with the same options."""
    ours, theirs = options_of(first), options_of(second)
    return first.file_sha256 == second.file_sha256 and all(
        getattr(ours, name) == getattr(theirs, name)
        for name, option in declared(SubmissionOptions).items()
        if option.identifies
    )
