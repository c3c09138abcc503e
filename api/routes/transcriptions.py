"""OpenAI's transcription API, through the same queue as every other recording."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from shrutlekh_contract.declarations import Form
from shrutlekh_contract.options import Numerals, SubmissionOptions

from api.finished_jobs import MACHINE, read_transcript, wait_for_success
from api.http import examples
from api.http.dependencies import IdempotencyKey, PathsDep, ServicesDep, Submitting
from api.http.openai_errors import ErrorShape
from api.http.openai_schemas import TranscriptionOut, VerboseTranscriptionOut
from api.http.openapi import SERVER_SENT_EVENT, form_of, problems
from api.intake.openai_form import (
    FIELDS,
    OTHER_NAMES,
    RULES,
    Granularity,
    OpenAIForm,
    ResponseFormat,
    language_name,
)
from api.intake.submission import submit_form
from api.routes.jobs import UPLOAD_ERRORS
from api.transcript_stream import stream_transcript
from shared.errors import IdempotencyConflict, JobFailed, JobHasNoResult, ServiceError, StillRunning
from transcript.formats import MEDIA_TYPES, Format, render
from transcript.transcript import Transcript

WORDS = SubmissionOptions(transcript=True, waveform=False)
ERRORS = (*UPLOAD_ERRORS, IdempotencyConflict, JobFailed, JobHasNoResult, StillRunning, ServiceError)
JSON = "application/json"
EVENT_STREAM = "text/event-stream"
RETRY_COUNT = "x-stainless-retry-count"  # OpenAI's clients say how often they have repeated a request

router = APIRouter(prefix="/v1/audio", tags=["openai"])


@router.post(
    "/transcriptions",
    response_model=TranscriptionOut | VerboseTranscriptionOut,
    responses={
        200: {
            "description": "The transcript in the requested `response_format`, or events with `stream`.",
            "headers": {
                "Location": {"description": "URL of the job.", "schema": {"type": "string"}},
                "X-Request-Id": {"description": "Id of the job.", "schema": {"type": "string"}},
            },
            "content": {
                JSON: {
                    "examples": {
                        "json": {"value": examples.TRANSCRIPTION},
                        "verbose_json": {"value": examples.VERBOSE_TRANSCRIPTION},
                    }
                },
                **{
                    media_type: {"schema": {"type": "string"}, "example": text}
                    for media_type, text in examples.TRANSCRIPT_FILES.items()
                    if media_type != "text/tab-separated-values"
                },
                EVENT_STREAM: {"schema": SERVER_SENT_EVENT, "example": examples.TRANSCRIPTION_EVENTS},
            },
        },
        **problems(*ERRORS, shape=ErrorShape.OPENAI),
    },
    openapi_extra=form_of(Form.OPENAI, FIELDS, OTHER_NAMES, RULES),
)
async def create_transcription(
    request: Request,
    services: ServicesDep,
    paths: PathsDep,
    caller: Submitting,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Transcribe a recording, as OpenAI's API does."""
    form = OpenAIForm(services)
    submitted = await submit_form(
        request,
        services,
        caller,
        form=Form.OPENAI,
        fixed=WORDS,
        key=idempotency_key,
        dialect=form,
        is_retry=request.headers.get(RETRY_COUNT, "0") != "0",
    )
    job_id = submitted.job.id
    path = paths.job(job_id)
    headers = {"Location": path, "Link": f'<{path}>; rel="related"', "X-Request-Id": str(job_id)}
    numerals = Numerals(submitted.options.numerals or Numerals.SPOKEN)
    if form.is_stream:
        events = stream_transcript(request, services, paths, job_id, numerals)
        headers |= {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingResponse(events, 200, headers, EVENT_STREAM)
    await wait_for_success(request, services, paths, job_id)

    def read() -> tuple[str, str]:
        return _answer(
            form, read_transcript(services, paths, job_id, numerals, caller.sees, MACHINE).transcript
        )

    body, media_type = await services.threads.read(read)
    return Response(body, 200, headers, media_type)


def _answer(form: OpenAIForm, transcript: Transcript) -> tuple[str, str]:
    """Return the body for the form's `response_format` and its media type."""
    match form.response_format:
        case ResponseFormat.JSON:
            return TranscriptionOut.of(transcript).model_dump_json(), JSON
        case ResponseFormat.VERBOSE_JSON:
            out = VerboseTranscriptionOut.of(
                transcript,
                language_name(transcript.language),
                segments=Granularity.SEGMENT in form.granularities,
                words=Granularity.WORD in form.granularities,
            )
            return out.model_dump_json(exclude_none=True), JSON
        case ResponseFormat.TEXT:
            return f"{transcript.text}\n", MEDIA_TYPES[Format.TXT]
        case ResponseFormat.SRT:
            return render(transcript, Format.SRT), MEDIA_TYPES[Format.SRT]
        case ResponseFormat.VTT:
            return render(transcript, Format.VTT), MEDIA_TYPES[Format.VTT]
