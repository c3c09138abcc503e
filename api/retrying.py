"""Trying a job again that failed or was cancelled."""

import uuid

from api.intake.insertion import Placed
from api.services import Services
from shared.jobs.queries import queue_position
from shared.jobs.retry import queue_again


async def try_again(services: Services, job_id: uuid.UUID) -> Placed:
    """Queue a failed or cancelled job for as many more attempts as a new one has.

    Raises:
        JobNotFound: there is no such job.
        IllegalTransition: it has neither failed nor been cancelled.
        RecordingGone: its recording is not kept any more.
        QueueFull: there is no room in the queue.
    """

    def again() -> Placed:
        with services.database.write() as session:
            job = queue_again(session, services.files, job_id, services.settings.max_attempts)
            return Placed(job, queue_position(session, job))

    async with services.admission.place():
        placed = await services.threads.write(again)
    services.doorbell.ring(job_id)
    services.doorbell.announce(job_id)
    return placed
