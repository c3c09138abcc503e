"""Trying a job again that failed or was cancelled."""

import uuid

from api.insertion import Placed
from api.services import Services
from shared.errors import RECORDING_ERRORS, RecordingGone
from shared.jobs import get_job, queue_position
from shared.lifecycle import TRANSITIONS, Event, retry
from shared.tables import Job


async def try_again(services: Services, job_id: uuid.UUID) -> Placed:
    """Queue a failed or cancelled job for as many more attempts as a new one has.

    Raises:
        JobNotFound: there is no such job.
        IllegalTransition: it has neither failed nor been cancelled.
        RecordingGone: its recording is not kept any more.
        QueueFull: there is no room in the queue.
    """

    def queue_again() -> Placed:
        with services.database.write() as session:
            job = get_job(session, job_id)
            if job.status in TRANSITIONS[Event.RETRIED].sources and not _is_kept(services, job):
                raise RecordingGone("The recording is not kept any more. Submit it again.")
            job = retry(session, job, services.settings.max_attempts)
            return Placed(job, queue_position(session, job))

    async with services.admission.place():
        placed = await services.threads.write(queue_again)
    services.doorbell.ring(job_id)
    services.doorbell.announce(job_id)
    return placed


def _is_kept(services: Services, job: Job) -> bool:
    # After a failure of the recording's own fault its file goes, if it has not gone yet.
    return job.error_code not in RECORDING_ERRORS and services.files.path(job.file_key).is_file()
