"""The simple forms: send a recording, wait, get the text or the picture."""

import json
import uuid

from fastapi import APIRouter, Request, Response

from api.dependencies import ServicesDep
from api.openapi import form, problems
from api.results import read_png, read_transcript, refuse_unless_succeeded
from api.routes.jobs import UPLOAD_ERRORS
from api.schemas import SimpleTranscriptOut, links_of, path_of
from api.services import Services
from api.submission import submit_form
from shared.errors import JobFailed, JobHasNoResult, ServiceError, StillRunning
from shared.jobs import get_job
from shared.tables import Job

ONLY_THE_MODEL = frozenset({"model"})
ERRORS = (*UPLOAD_ERRORS, JobFailed, JobHasNoResult, StillRunning)

router = APIRouter(tags=["simple"])


@router.post(
    "/transcribe/",
    response_model=SimpleTranscriptOut,
    responses=problems(*ERRORS, ServiceError),
    openapi_extra=form("model"),
)
@router.post("/transcribe", include_in_schema=False)
async def transcribe(request: Request, services: ServicesDep) -> Response:
    """Send a recording, get its text."""
    job = await _submit_and_wait(request, services, transcript=True, waveform=False)

    def read() -> str:
        transcript = read_transcript(services, job.id)
        document = {
            "id": str(job.id),
            "text": transcript.text,
            "language": transcript.language,
            "seconds": job.audio_seconds,
            "segments": transcript.segments,
            "links": links_of(job).model_dump(),
        }
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"))

    return Response(await services.threads.read(read), 200, _headers(job.id), "application/json")


@router.post(
    "/visualize/",
    response_class=Response,
    responses={
        200: {
            "description": "The picture.",
            "headers": {"Location": {"description": "The job.", "schema": {"type": "string"}}},
            "content": {"image/png": {}},
        },
        **problems(*ERRORS, ServiceError),
    },
    openapi_extra=form("model"),
)
@router.post("/visualize", include_in_schema=False)
async def visualize(request: Request, services: ServicesDep) -> Response:
    """Send a recording, get the picture of its waveform."""
    job = await _submit_and_wait(request, services, transcript=False, waveform=True)
    png = await services.threads.read(lambda: read_png(services, job.id))
    return Response(png, 200, _headers(job.id), "image/png")


async def _submit_and_wait(request: Request, services: Services, **fixed: bool) -> Job:
    """A job that succeeded, or the error that says why not."""
    submitted = (await submit_form(request, services, known=ONLY_THE_MODEL, fixed=fixed)).job

    def read() -> Job:
        with services.database.read() as session:
            return get_job(session, submitted.id)

    job = await services.watcher.wait(
        submitted.id,
        read=lambda: services.threads.read(read),
        until=lambda job: job.status.is_final,
        seconds=services.settings.simple_wait_seconds,
        is_gone=request.is_disconnected,
    )
    refuse_unless_succeeded(job)
    return job


def _headers(job_id: uuid.UUID) -> dict[str, str]:
    path = path_of(job_id)
    return {"Location": path, "Link": f'<{path}>; rel="related"'}
