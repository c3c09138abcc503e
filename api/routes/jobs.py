"""Submit, poll, list, cancel and erase jobs."""

import uuid
from dataclasses import replace
from functools import partial

from fastapi import APIRouter, Request, Response
from shrutlekh_contract.declarations import Form

from api.http import examples
from api.http.authentication import Caller
from api.http.caching import weak_etag
from api.http.dependencies import (
    BatchFilter,
    Counts,
    Cursor,
    IdempotencyKey,
    JobId,
    Limit,
    NameFilter,
    PathsDep,
    Reading,
    ServicesDep,
    StatusFilter,
    Submitting,
    WaitSeconds,
)
from api.http.openapi import form_of, problems
from api.http.paths import Paths
from api.http.polling import Polled, answer_poll
from api.http.schemas import JobOut, PageOut
from api.intake.submission import submit_form
from api.services import Services
from shared.errors import (
    BatchNotFound,
    DatabaseUnavailable,
    DecoderUnavailable,
    IdempotencyConflict,
    IllegalTransition,
    InvalidRequest,
    JobNotFound,
    ModelBroken,
    ModelNotInstalled,
    NotMultipart,
    QueueFull,
    QuotaExceeded,
    RecordingGone,
    StorageFull,
    StorageUnavailable,
    UploadStalled,
    UploadTooLarge,
    WebhookRefused,
)
from shared.jobs import (
    Job,
    Selection,
    cancel_or_erase,
    get_batch,
    page_of_jobs,
    queue_position,
    read_job,
    retry,
)

JSON = "application/json"
WHERE_TO_POLL = {"Location": {"description": "Where to poll.", "schema": {"type": "string"}}}
UPLOAD_ERRORS = (
    UploadTooLarge,
    UploadStalled,
    NotMultipart,
    InvalidRequest,
    ModelNotInstalled,
    ModelBroken,
    DecoderUnavailable,
    QueueFull,
    QuotaExceeded,
    DatabaseUnavailable,
    StorageFull,
    StorageUnavailable,
)
REPLAYED = "Idempotent-Replayed"
# A job's position changes when others end. A long poll for changes looks at it this often.
POSITION_SECONDS = 5.0

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.post(
    "",
    status_code=202,
    response_model=JobOut,
    responses={
        202: {
            "description": "The recording is stored and its job is queued.",
            "headers": {
                **WHERE_TO_POLL,
                REPLAYED: {
                    "description": "`true` if the Idempotency-Key already had this job.",
                    "schema": {"type": "string"},
                },
            },
            "content": {JSON: {"example": examples.QUEUED_JOB}},
        },
        **problems(*UPLOAD_ERRORS, WebhookRefused, IdempotencyConflict),
    },
    openapi_extra=form_of(Form.JOB),
)
async def submit_job(
    request: Request,
    services: ServicesDep,
    paths: PathsDep,
    caller: Submitting,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Submit a recording."""
    job, position, is_replay, _ = await submit_form(request, services, caller, key=idempotency_key)
    headers = {"Location": paths.job(job.id)} | ({REPLAYED: "true"} if is_replay else {})
    return Response(JobOut.of(job, paths, position).to_json(), 202, headers, JSON)


@router.get(
    "", response_model=PageOut, responses=problems(InvalidRequest, BatchNotFound, DatabaseUnavailable)
)
async def list_jobs(
    services: ServicesDep,
    paths: PathsDep,
    caller: Reading,
    status: StatusFilter = None,
    batch: BatchFilter = None,
    name: NameFilter = "",
    cursor: Cursor = None,
    limit: Limit = 50,
    counts: Counts = False,
) -> Response:
    """List jobs, newest first."""

    def read() -> bytes:
        with services.database.read() as session:
            visible = Selection(tenant=caller.sees)
            if batch is not None:
                get_batch(session, batch, caller.sees)
                visible = Selection(batch_id=batch)  # all of them are the tenant's
            selection = replace(visible, name=name, statuses=() if status is None else (status,))
            page = page_of_jobs(session, selection, cursor=cursor, limit=limit)
            counted = services.counts.of(session, visible) if counts else None
        jobs = [JobOut.of(job, paths) for job in page.jobs]
        out = PageOut(jobs=jobs, next_cursor=page.next_cursor, counts=counted)
        return out.model_dump_json().encode()

    return Response(await services.threads.read(read), 200, {"Cache-Control": "private, no-cache"}, JSON)


@router.get(
    "/{job_id}",
    response_model=JobOut,
    responses={
        200: {"headers": {"ETag": {"description": "Changes with the job.", "schema": {"type": "string"}}}},
        304: {"description": "The job has not changed since If-None-Match."},
        **problems(InvalidRequest, JobNotFound, DatabaseUnavailable),
    },
)
async def poll_job(
    request: Request,
    services: ServicesDep,
    paths: PathsDep,
    caller: Reading,
    job_id: JobId,
    wait: WaitSeconds = 0,
) -> Response:
    """Poll a job, or wait for it."""
    watching = services.watcher.watching_job(job_id)
    read = partial(_read_job, services, paths, caller, job_id)
    return await answer_poll(request, services, watching, read, wait=wait, read_every=POSITION_SECONDS)


@router.delete(
    "/{job_id}",
    response_model=JobOut,
    responses={
        200: {"description": "The job was queued and is now cancelled."},
        202: {"description": "The job is running and ends after the current segment.", "model": JobOut},
        204: {"description": "The job had ended and is erased with its results and recording."},
        **problems(InvalidRequest, JobNotFound, IllegalTransition, DatabaseUnavailable),
    },
)
async def delete_job(services: ServicesDep, paths: PathsDep, caller: Submitting, job_id: JobId) -> Response:
    """Cancel a job, or erase one that has ended."""

    def remove() -> Job | None:
        return cancel_or_erase(services.database, services.files, job_id, caller.sees)

    job = await services.threads.write(remove)
    services.doorbell.announce(job_id)
    if job is None:
        return Response(status_code=204)
    return Response(JobOut.of(job, paths).to_json(), 200 if job.status.is_final else 202, None, JSON)


@router.post(
    "/{job_id}/retry",
    status_code=202,
    response_model=JobOut,
    responses={
        202: {
            "description": "The job is queued again.",
            "headers": WHERE_TO_POLL,
            "content": {JSON: {"example": examples.QUEUED_JOB}},
        },
        **problems(
            InvalidRequest,
            JobNotFound,
            IllegalTransition,
            RecordingGone,
            QueueFull,
            QuotaExceeded,
            StorageUnavailable,
            DatabaseUnavailable,
        ),
    },
)
async def retry_job(services: ServicesDep, paths: PathsDep, caller: Submitting, job_id: JobId) -> Response:
    """Retry a job that failed or was cancelled."""

    def queue_again() -> tuple[str, JobOut]:
        with services.database.write() as session:
            job = retry(session, services.files, job_id, services.settings.max_attempts, caller.sees)
            return job.model, JobOut.of(job, paths, queue_position(session, job))

    async with services.admission.place(caller.tenant, limits=caller.limits):
        model, job = await services.threads.write(queue_again)
    services.doorbell.ring(model, job_id)
    services.doorbell.announce(job_id)
    return Response(job.to_json(), 202, {"Location": paths.job(job_id)}, JSON)


def _read_job(services: Services, paths: Paths, caller: Caller, job_id: uuid.UUID) -> Polled:
    job, position = read_job(services.database, job_id, caller.sees)
    body = JobOut.of(job, paths, position).to_json()
    return Polled(body, weak_etag(body), job.status.is_final)
