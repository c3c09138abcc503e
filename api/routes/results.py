"""What jobs made: words, picture, peaks."""

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from api.caching import is_known
from api.dependencies import JobId, ServicesDep
from api.openapi import problems
from api.results import Transcript, read_peaks, read_png, read_transcript
from api.schemas import PeaksOut, TranscriptOut
from shared.errors import (
    DatabaseUnavailable,
    InvalidRequest,
    JobHasNoResult,
    JobNotFinished,
    JobNotFound,
    TranscriptNotMade,
    WaveformNotMade,
)

# Results never change; only erasing ends them, and a private cache may keep them for a day beyond that.
LASTING = "private, max-age=86400, immutable"
ERRORS = (InvalidRequest, JobNotFound, JobNotFinished, JobHasNoResult, DatabaseUnavailable)

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["results"])

TranscriptFormat = Annotated[
    Literal["json", "txt"], Query(alias="format", description="`txt`: a line for each segment.")
]


@router.get(
    "/transcript",
    response_model=TranscriptOut,
    responses={
        200: {"content": {"text/plain": {"example": "नमस्ते दुनिया\n"}}},
        **problems(*ERRORS, TranscriptNotMade),
    },
)
async def get_transcript(
    services: ServicesDep, job_id: JobId, transcript_format: TranscriptFormat = "json"
) -> Response:
    """The words of a recording."""

    def read() -> Response:
        transcript = read_transcript(services, job_id)
        if transcript_format == "txt":
            return Response(transcript.lines, media_type="text/plain; charset=utf-8")
        return Response(_transcript_json(transcript), media_type="application/json")

    return await services.threads.read(read)


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


def _transcript_json(transcript: Transcript) -> str:
    document: dict[str, Any] = {
        "job_id": str(transcript.job.id),
        "model": transcript.job.model,
        "language": transcript.language,
        "seconds": transcript.job.audio_seconds,
        "text": transcript.text,
        "segments": transcript.segments,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
