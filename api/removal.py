"""Cancelling and erasing: what DELETE does depends on the state the job is in at that moment."""

import uuid

from sqlalchemy import update

from api.services import Services
from shared.errors import IllegalTransition
from shared.jobs.lifecycle import Event, transition
from shared.jobs.queries import erase, get_job
from shared.jobs.tables import Job, JobStatus

TRIES = 10


async def cancel_or_erase(services: Services, job_id: uuid.UUID) -> Job | None:
    """Cancel a queued job, ask for the end of a running one, erase a finished one.

    Returns:
        The job as it is now, or None when it was erased.

    Raises:
        JobNotFound: there is no such job.
        IllegalTransition: it changed its state faster than it could be read, time and again.
    """
    job, file_key = await services.threads.write(lambda: _decide(services, job_id))
    if file_key is not None:
        key = file_key
        await services.threads.file(lambda: services.files.delete(key))
    services.doorbell.announce(job_id)
    return job


def _decide(services: Services, job_id: uuid.UUID) -> tuple[Job | None, str | None]:
    for _ in range(TRIES - 1):
        try:
            return _decide_once(services, job_id)
        except IllegalTransition:
            continue  # a worker was faster: look again
    return _decide_once(services, job_id)


def _decide_once(services: Services, job_id: uuid.UUID) -> tuple[Job | None, str | None]:
    with services.database.write() as session:
        job = get_job(session, job_id)
        if job.status is JobStatus.QUEUED:
            return transition(session, job, Event.CANCELLED), None
        if job.status.is_final:
            erase(session, job)
            return None, job.file_key
        asked = session.execute(
            update(Job)
            .where(Job.id == job_id, Job.status == JobStatus.RUNNING)
            .values(cancel_requested=True)
            .returning(Job.id)
            .execution_options(synchronize_session=False)
        ).scalar_one_or_none()
        if asked is None:
            raise IllegalTransition("The job changed its state in this moment.")
        session.refresh(job)
        return job, None
