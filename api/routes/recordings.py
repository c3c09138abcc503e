"""The recording of a job as it was uploaded, for players and downloads."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials

from api.container_types import HEAD_BYTES, container_type
from api.http.caching import is_known
from api.http.dependencies import BEARER, JobId, PathsDep, Reading, ServicesDep, authenticated
from api.http.openapi import problems
from api.http.ranges import FileRange
from api.http.schemas import TicketOut
from api.intake.filenames import content_disposition
from api.services import Services
from api.tickets import LONGEST
from shared.errors import (
    DatabaseUnavailable,
    InvalidRequest,
    JobNotFound,
    RangeNotSatisfiable,
    RecordingGone,
    StorageUnavailable,
    TicketInvalid,
    TicketsUnavailable,
)
from shared.files import OpenFile
from shared.jobs import Job, read_job
from shared.keys import Scope

# A job's recording never changes. The browser must ask again, because the job may be erased.
CACHING = "private, no-cache"

router = APIRouter(prefix="/v1/jobs/{job_id}/recording", tags=["results"])

TicketInUrl = Annotated[
    str | None,
    Query(max_length=LONGEST, description="A ticket, instead of an API key: players can't send one."),
]


async def _tenant_to_see(
    request: Request,
    services: ServicesDep,
    job_id: JobId,
    _documented: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
    ticket: TicketInUrl = None,
) -> str | None:
    """Return whose recordings the request may have; None for anybody's, as with the ticket of this one."""
    if ticket is None:
        return (await authenticated(request, Scope.READ)).sees
    await services.tickets.check(ticket, job_id)
    return None


@router.get(
    "",
    response_class=Response,
    responses={
        200: {
            "description": "The recording as it was uploaded.",
            "headers": {"ETag": {"description": "SHA-256 of the recording.", "schema": {"type": "string"}}},
            "content": {"audio/*": {}, "video/*": {}, "application/octet-stream": {}},
        },
        206: {"description": "The part of it that `Range` asks for."},
        304: {"description": "The recording matches If-None-Match."},
        **problems(
            InvalidRequest,
            TicketInvalid,
            JobNotFound,
            RecordingGone,
            RangeNotSatisfiable,
            TicketsUnavailable,
            StorageUnavailable,
            DatabaseUnavailable,
        ),
    },
)
async def get_recording(
    request: Request,
    services: ServicesDep,
    job_id: JobId,
    tenant: Annotated[str | None, Depends(_tenant_to_see)],
    download: Annotated[bool, Query(description="Whether browsers are to save it.")] = False,
) -> Response:
    """Get the recording of a job, or a range of it."""
    job = await services.threads.read(lambda: read_job(services.database, job_id, tenant).job)
    etag = f'"{job.file_sha256}"'
    if is_known(request, etag):
        return Response(status_code=304, headers={"ETag": etag, "Cache-Control": CACHING})
    file = await services.threads.file(partial(_open, services, job))
    try:
        kind = container_type(file.head)
        disposition = content_disposition(
            job.file_name,
            kind.extension_for(job.file_name),
            kind="attachment" if download else "inline",
            fallback="recording",
        )
        headers = {"Content-Disposition": disposition, "Cache-Control": CACHING}
        return FileRange(
            request,
            file,
            etag=etag,
            media_type=kind.media_type,
            headers=headers,
            limiter=services.threads.playing,
        )
    except BaseException:
        file.close()
        raise


@router.post(
    "/ticket",
    status_code=201,
    response_model=TicketOut,
    responses={
        201: {"description": "A URL that opens the recording without an API key."},
        **problems(InvalidRequest, JobNotFound, TicketsUnavailable, DatabaseUnavailable),
    },
)
async def issue_ticket(services: ServicesDep, paths: PathsDep, caller: Reading, job_id: JobId) -> Response:
    """Get a URL with which a player can fetch the recording for an hour."""
    await services.threads.read(lambda: read_job(services.database, job_id, caller.sees))
    ticket = await services.tickets.issue(job_id)
    out = TicketOut(url=f"{paths.job(job_id)}/recording?ticket={ticket.secret}", expires_at=ticket.expires_at)
    return Response(out.model_dump_json(), 201, {"Cache-Control": "no-store"}, "application/json")


def _open(services: Services, job: Job) -> OpenFile:
    """Open a recording.

    Raises:
        RecordingGone: it is not stored any more.
        StorageUnavailable: the storage does not answer.
    """
    try:
        return services.files.open(job.file_key, HEAD_BYTES)
    except FileNotFoundError as error:
        raise RecordingGone(
            "The recording is no longer stored: it could not be read, or the job was erased."
        ) from error
