"""Trying a job again that failed or was cancelled, while its recording is kept."""

import uuid

from sqlalchemy.orm import Session

from shared.errors import RECORDING_ERRORS, RecordingGone
from shared.files import FileStore
from shared.jobs.lifecycle import TRANSITIONS, Event, retry
from shared.jobs.queries import get_job
from shared.jobs.tables import Job


def queue_again(session: Session, files: FileStore, job_id: uuid.UUID, attempts: int) -> Job:
    """Queue a failed or cancelled job for ``attempts`` more attempts. The caller rings, after the commit.

    Raises:
        JobNotFound: there is no such job.
        IllegalTransition: it has neither failed nor been cancelled.
        RecordingGone: its recording is not kept any more.
    """
    job = get_job(session, job_id)
    if job.status in TRANSITIONS[Event.RETRIED].sources and not _is_kept(files, job):
        raise RecordingGone("The recording is not kept any more. Submit it again.")
    return retry(session, job, attempts)


def _is_kept(files: FileStore, job: Job) -> bool:
    # After a failure of the recording's own fault its file goes, if it has not gone yet.
    return job.error_code not in RECORDING_ERRORS and files.path(job.file_key).is_file()
