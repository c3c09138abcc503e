"""From a form to a queued job: the file is safe on disk, then the row exists, then the doorbell rings."""

import uuid

import structlog
from anyio import CancelScope
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from uuid_utils.compat import uuid7

from api.services import Services
from api.uploads import Arrival, invalid_field, receive_form
from shared.errors import ServiceError
from shared.files import StoredFile
from shared.jobs import get_job, queue_position
from shared.models import find_model
from shared.tables import Job

log = structlog.get_logger(__name__)


class JobOptions(BaseModel):
    """What a form asks for. The names of the fields are those of the form."""

    model_config = ConfigDict(frozen=True)

    model: str = ""
    transcript: bool = True
    waveform: bool = True


ALL_OPTIONS = frozenset(JobOptions.model_fields)


async def submit_form(
    request: Request, services: Services, *, known: frozenset[str] = ALL_OPTIONS, **fixed: bool
) -> tuple[Job, int]:
    """Store the recording of the request's form and queue a job for it.

    Args:
        request: its body has not been read.
        services: the parts of the front end.
        known: options that the form may set.
        fixed: options that the route sets itself.

    Returns:
        The job, and the number of jobs before it.

    Raises:
        ServiceError: as :func:`api.uploads.receive_form`; ModelNotInstalled; DatabaseUnavailable.
    """
    max_bytes = services.settings.max_upload_bytes
    arrival = Arrival(services.files, services.threads, max_bytes)
    async with receive_form(request, arrival, max_bytes=max_bytes, known=known) as form:
        options = _options_of(form.fields, fixed)
        model = options.model or services.settings.default_model
        # From here on nobody's impatience leaves a file without a job.
        with CancelScope(shield=True):
            stored = await services.threads.file(lambda: _store(services, form.file, model))
            job = _new_job(services, form.file.name, stored, options, model)
            position = await _insert(services, job)
            await services.rings.add(job.id)
    log.info("job_submitted", job_id=str(job.id), bytes=stored.size, model=model)
    return job, position


def _options_of(fields: dict[str, str], fixed: dict[str, bool]) -> JobOptions:
    given = {
        name: value for name, value in fields.items() if value
    }  # pages send empty fields for "no choice"
    try:
        options = JobOptions.model_validate(given | fixed)
    except ValidationError as error:
        first = error.errors()[0]
        raise invalid_field(str(first["loc"][0]), f"{first['msg']}.") from error
    if not (options.transcript or options.waveform):
        raise invalid_field("transcript", "Ask for a transcript, a waveform, or both.")
    return options


def _store(services: Services, arrival: Arrival, model: str) -> StoredFile:
    """Put the recording in the store, if there is a model for it."""
    find_model(services.settings.models_dir, model)
    return arrival.commit()


def _new_job(services: Services, name: str, stored: StoredFile, options: JobOptions, model: str) -> Job:
    return Job(
        id=uuid7(),
        file_name=name,
        file_key=stored.key,
        file_bytes=stored.size,
        file_sha256=stored.sha256,
        model=model,
        transcript=options.transcript,
        waveform=options.waveform,
        max_attempts=services.settings.max_attempts,
    )


async def _insert(services: Services, job: Job) -> int:
    """Write the job's row and say how many come before it. If that fails its file is deleted again."""
    job_id, file_key = job.id, job.file_key
    try:
        return await services.inserts.add(job)
    except Exception:
        # A connection that is lost during COMMIT leaves open whether the row is there.
        position = await services.threads.read(lambda: _position_of(services, job_id))
        if position is None:
            await services.threads.file(lambda: services.files.delete(file_key))
            raise
        return position


def _position_of(services: Services, job_id: uuid.UUID) -> int | None:
    try:
        with services.database.read() as session:
            return queue_position(session, get_job(session, job_id)) or 0
    except ServiceError:  # it is not there, or nobody can say: the client hears of a failure and sends again
        return None
