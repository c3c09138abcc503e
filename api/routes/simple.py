"""The simple forms: upload a recording and get its text or waveform picture in the same request."""

import uuid

from fastapi import APIRouter, Request, Response
from shrutlekh_contract.declarations import Form
from shrutlekh_contract.options import Numerals, SubmissionOptions

from api.finished_jobs import MACHINE, read_png, read_transcript, wait_for_success
from api.http.authentication import Caller
from api.http.dependencies import PathsDep, ServicesDep, Submitting
from api.http.negotiation import preferred
from api.http.openapi import TRANSCRIPT_FILES, form_of, problems
from api.http.paths import Paths
from api.http.schemas import SimpleTranscriptOut, links_of
from api.intake.filenames import content_disposition
from api.intake.submission import submit_form
from api.routes.jobs import UPLOAD_ERRORS
from api.services import Services
from shared.errors import JobFailed, JobHasNoResult, ServiceError, StillRunning
from shared.jobs import Job
from transcript.formats import MEDIA_TYPES, Format, dump, render

WORDS = SubmissionOptions(transcript=True, waveform=False)
PICTURE = SubmissionOptions(transcript=False, waveform=True)
ERRORS = (*UPLOAD_ERRORS, JobFailed, JobHasNoResult, StillRunning)

router = APIRouter(tags=["simple"])


@router.post(
    "/transcribe/",
    response_model=SimpleTranscriptOut,
    responses={
        200: {"description": "The transcript.", "content": TRANSCRIPT_FILES},
        **problems(*ERRORS, ServiceError),
    },
    openapi_extra=form_of(Form.TRANSCRIBE),
)
@router.post("/transcribe", include_in_schema=False)
async def transcribe(
    request: Request, services: ServicesDep, paths: PathsDep, caller: Submitting
) -> Response:
    """Upload a recording and get its text."""
    job, options = await _submit_and_wait(request, services, paths, caller, Form.TRANSCRIBE, WORDS)
    numerals = Numerals(options.numerals or Numerals.SPOKEN)
    chosen = Format(options.format) if options.format else preferred(request.headers.get("accept"))

    def read() -> str:
        transcript = read_transcript(services, paths, job.id, numerals, caller.sees, MACHINE).transcript
        if chosen is not Format.JSON:
            return render(transcript, chosen)
        return dump({"id": str(job.id), **transcript.document(), "links": links_of(job, paths).model_dump()})

    headers = {
        **_headers(paths, job.id),
        "Vary": "Accept",
        "Content-Disposition": content_disposition(job.file_name, chosen),
    }
    return Response(await services.threads.read(read), 200, headers, MEDIA_TYPES[chosen])


@router.post(
    "/visualize/",
    response_class=Response,
    responses={
        200: {
            "description": "The waveform picture.",
            "headers": {"Location": {"description": "URL of the job.", "schema": {"type": "string"}}},
            "content": {"image/png": {}},
        },
        **problems(*ERRORS, ServiceError),
    },
    openapi_extra=form_of(Form.VISUALIZE),
)
@router.post("/visualize", include_in_schema=False)
async def visualize(request: Request, services: ServicesDep, paths: PathsDep, caller: Submitting) -> Response:
    """Upload a recording and get the picture of its waveform."""
    job, _ = await _submit_and_wait(request, services, paths, caller, Form.VISUALIZE, PICTURE)
    png = await services.threads.read(lambda: read_png(services, paths, job.id, caller.sees))
    return Response(png, 200, _headers(paths, job.id), "image/png")


async def _submit_and_wait(
    request: Request,
    services: Services,
    paths: Paths,
    caller: Caller,
    form: Form,
    fixed: SubmissionOptions,
) -> tuple[Job, SubmissionOptions]:
    """Submit the form's recording and wait for its job.

    Args:
        paths: for the links in errors.
        caller: who submits.
        form: which options the form may set.
        fixed: options that the route sets itself.

    Returns:
        The succeeded job and the form's options.

    Raises:
        ServiceError: as :func:`api.intake.submission.submit_form`.
        JobFailed, JobHasNoResult: the job failed, or was cancelled meanwhile.
        StillRunning: the job did not finish in time, or the client disconnected.
    """
    submitted = await submit_form(request, services, caller, form=form, fixed=fixed)
    return await wait_for_success(request, services, paths, submitted.job.id), submitted.options


def _headers(paths: Paths, job_id: uuid.UUID) -> dict[str, str]:
    path = paths.job(job_id)
    return {"Location": path, "Link": f'<{path}>; rel="related"'}
