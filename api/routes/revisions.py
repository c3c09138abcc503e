"""Corrected texts: kept as revisions beside the text of the machine."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from api.finished_jobs import require_transcript
from api.http.dependencies import JobId, PathsDep, Reading, ServicesDep, Submitting
from api.http.openapi import correction_body, problems
from api.http.schemas import RevisionOut, RevisionsOut
from api.intake.corrections import read_correction, to_store
from shared.errors import (
    DatabaseUnavailable,
    InvalidRequest,
    JobHasNoResult,
    JobNotFinished,
    JobNotFound,
    RevisionConflict,
    TranscriptNotMade,
    UploadTooLarge,
)
from shared.jobs import Version, drop_revisions, read_job, revisions_of, save_revision

JSON = "application/json"

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["results"])

IfMatch = Annotated[
    str,
    Header(
        pattern=r'^("[0-9]{1,9}\.[0-9]{1,9}")?$',
        description='The text that the correction began with: `"NUMBER.SAVES"` of its revision, or `"0.0"` '
        "for the machine's. If another one was saved since, nothing is saved. Without it, it is overwritten.",
        examples=['"0.0"'],
    ),
]


@router.put(
    "/transcript",
    response_model=RevisionOut,
    responses={
        200: {
            "description": "The text is saved.",
            "headers": {"ETag": {"description": "For the next `If-Match`.", "schema": {"type": "string"}}},
        },
        **problems(
            InvalidRequest,
            JobNotFound,
            JobNotFinished,
            JobHasNoResult,
            TranscriptNotMade,
            RevisionConflict,
            UploadTooLarge,
            DatabaseUnavailable,
        ),
    },
    openapi_extra=correction_body(),
)
async def put_transcript(
    request: Request,
    services: ServicesDep,
    paths: PathsDep,
    caller: Submitting,
    job_id: JobId,
    if_match: IfMatch = "",
) -> Response:
    """Save a corrected text as the newest revision of a transcript."""
    job = await services.threads.read(lambda: require_transcript(services, paths, job_id, caller.sees))
    correction = await read_correction(request)

    def save() -> RevisionOut:
        segments = to_store(correction, job.audio_seconds or 0.0)
        with services.database.write() as session:
            row = save_revision(
                session,
                job_id,
                caller.sees,
                segments=segments,
                editor=caller.key or "",
                expected=None if if_match == "" else _version(if_match),
            )
            return RevisionOut.of(row)

    out = await services.threads.write(save)
    return Response(out.model_dump_json(), 200, {"ETag": f'"{out.number}.{out.saves}"'}, JSON)


@router.get(
    "/revisions",
    response_model=RevisionsOut,
    responses=problems(InvalidRequest, JobNotFound, DatabaseUnavailable),
)
async def list_revisions(services: ServicesDep, caller: Reading, job_id: JobId) -> Response:
    """List the corrected texts of a job, newest first."""

    def read() -> str:
        read_job(services.database, job_id, caller.sees)
        with services.database.read() as session:
            rows = revisions_of(session, job_id)
            return RevisionsOut(revisions=[RevisionOut.of(row) for row in rows]).model_dump_json()

    headers = {"Cache-Control": "private, no-cache"}
    return Response(await services.threads.read(read), 200, headers, JSON)


@router.delete(
    "/revisions",
    status_code=204,
    response_class=Response,
    responses={
        204: {"description": "The transcript is the machine's again."},
        **problems(InvalidRequest, JobNotFound, DatabaseUnavailable),
    },
)
async def delete_revisions(services: ServicesDep, caller: Submitting, job_id: JobId) -> Response:
    """Erase the corrected texts of a job, so that its transcript is the machine's again."""

    def drop() -> None:
        with services.database.write() as session:
            drop_revisions(session, job_id, caller.sees)

    await services.threads.write(drop)
    return Response(status_code=204)


def _version(if_match: str) -> Version:
    number, saves = if_match.strip('"').split(".")
    return Version(int(number), int(saves))
