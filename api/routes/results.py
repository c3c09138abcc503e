"""What jobs made: words, picture, peaks."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.finished_jobs import read_peaks, read_png, read_transcript
from api.http import examples
from api.http.caching import is_known, weak_etag
from api.http.dependencies import JobId, ServicesDep
from api.http.negotiation import preferred
from api.http.openapi import problems
from api.http.schemas import PeaksOut, TranscriptOut
from api.intake.filenames import content_disposition
from shared.errors import (
    DatabaseUnavailable,
    InvalidRequest,
    JobHasNoResult,
    JobNotFinished,
    JobNotFound,
    TranscriptNotMade,
    WaveformNotMade,
)
from transcript.formats import MEDIA_TYPES, Format, dump, render
from transcript.transcript import Numerals

# Results never change; only erasing ends them, and a private cache may keep them for a day beyond that.
LASTING = "private, max-age=86400, immutable"
ERRORS = (InvalidRequest, JobNotFound, JobNotFinished, JobHasNoResult, DatabaseUnavailable)

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["results"])

TranscriptFormat = Annotated[
    Format | None,
    Query(
        alias="format",
        description="Segments, words and times (`json`), paragraphs (`txt`), subtitles (`srt`, `vtt`) or a "
        "table (`tsv`). By default the one that the Accept header likes best, else `json`.",
    ),
]
NumeralsChoice = Annotated[
    Numerals,
    Query(
        description="Numbers in words as they were said, or in digits: 25 or २५. In `json` a word in digits "
        "keeps in `spoken` what was said."
    ),
]


@router.get(
    "/transcript",
    response_model=TranscriptOut,
    responses={
        200: {
            "description": "The words.",
            "headers": {
                "ETag": {"description": "Of this format.", "schema": {"type": "string"}},
                "Content-Disposition": {
                    "description": "The recording's name with the format's extension.",
                    "schema": {"type": "string"},
                },
            },
            "content": {
                media_type: {"example": example} for media_type, example in examples.TRANSCRIPT_FILES.items()
            },
        },
        304: {"description": "It is as If-None-Match knows it."},
        **problems(*ERRORS, TranscriptNotMade),
    },
)
async def get_transcript(
    request: Request,
    services: ServicesDep,
    job_id: JobId,
    transcript_format: TranscriptFormat = None,
    numerals: NumeralsChoice = Numerals.SPOKEN,
) -> Response:
    """The words of a recording, in one of five formats."""
    form = transcript_format or preferred(request.headers.get("accept"))

    def read() -> tuple[bytes, str]:
        job, transcript = read_transcript(services, job_id, numerals)
        if form is Format.JSON:
            text = dump({"job_id": str(job_id), **transcript.document()})
        else:
            text = render(transcript, form)
        return text.encode(), content_disposition(job.file_name, form)

    body, disposition = await services.threads.read(read)
    headers = {
        "ETag": weak_etag(body),
        "Cache-Control": LASTING,
        "Vary": "Accept",
        "Content-Disposition": disposition,
    }
    if is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, MEDIA_TYPES[form])


@router.get(
    "/waveform.png",
    response_class=Response,
    responses={
        200: {"description": "The picture.", "content": {"image/png": {}}},
        304: {"description": "The picture is as If-None-Match knows it."},
        **problems(*ERRORS, WaveformNotMade),
    },
)
async def get_waveform_png(request: Request, services: ServicesDep, job_id: JobId) -> Response:
    """The picture of a recording."""
    headers = {"ETag": f'"{job_id}"', "Cache-Control": LASTING}
    png = await services.threads.read(lambda: read_png(services, job_id))
    if is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(png, 200, headers, "image/png")


@router.get("/waveform.json", response_model=PeaksOut, responses=problems(*ERRORS, WaveformNotMade))
async def get_waveform_json(services: ServicesDep, job_id: JobId) -> Response:
    """The peaks of a recording, in the format of BBC audiowaveform."""
    peaks = await services.threads.read(lambda: read_peaks(services, job_id))
    return Response(peaks, 200, {"Cache-Control": LASTING}, "application/json")
