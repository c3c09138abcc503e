"""Results of finished jobs: transcript, waveform picture, peaks."""

import uuid
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from api.finished_jobs import MACHINE, NEWEST, read_peaks, read_png, read_spectrogram, read_transcript
from api.http.caching import is_known, weak_etag
from api.http.dependencies import JobId, PathsDep, Reading, ServicesDep
from api.http.negotiation import preferred
from api.http.openapi import TRANSCRIPT_FILES, problems
from api.http.schemas import PeaksOut, TranscriptOut
from api.intake.filenames import content_disposition
from shared.errors import (
    DatabaseUnavailable,
    InvalidRequest,
    JobHasNoResult,
    JobNotFinished,
    JobNotFound,
    RevisionNotFound,
    SpectrogramNotMade,
    TranscriptNotMade,
    WaveformNotMade,
)
from transcript.formats import MEDIA_TYPES, Format, dump, render
from transcript.transcript import Numerals

# What the machine made never changes until the job is erased. A private cache may keep it for a day.
CACHE_FOR_A_DAY = "private, max-age=86400, immutable"
ASK_AGAIN = "private, no-cache"
ERRORS = (InvalidRequest, JobNotFound, JobNotFinished, JobHasNoResult, DatabaseUnavailable)

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["results"])

TranscriptFormat = Annotated[
    Format | None,
    Query(
        alias="format",
        description="Segments, words and times (`json`), paragraphs (`txt`), subtitles (`srt`, `vtt`) or a "
        "table (`tsv`). Default: the format that the Accept header prefers, else `json`.",
    ),
]
NumeralsChoice = Annotated[
    Numerals,
    Query(
        description="Write numbers in words as spoken, or in digits: `latin` (25) or `devanagari` (२५). "
        "In `json`, `spoken` holds the original words of a number in digits."
    ),
]
RevisionNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]
ChosenRevision = Annotated[
    Literal["latest", "machine"] | RevisionNumber,
    Query(
        description="Which text: `latest`, the newest that a person has corrected, or else the machine's; "
        "`machine`; or the number of a revision."
    ),
]


@router.get(
    "/transcript",
    response_model=TranscriptOut,
    responses={
        200: {
            "description": "The transcript.",
            "headers": {
                "ETag": {"description": "ETag of this format.", "schema": {"type": "string"}},
                "Content-Disposition": {
                    "description": "The recording's name with the format's extension.",
                    "schema": {"type": "string"},
                },
            },
            "content": TRANSCRIPT_FILES,
        },
        304: {"description": "The transcript matches If-None-Match."},
        **problems(*ERRORS, TranscriptNotMade, RevisionNotFound),
    },
)
async def get_transcript(
    request: Request,
    services: ServicesDep,
    paths: PathsDep,
    caller: Reading,
    job_id: JobId,
    transcript_format: TranscriptFormat = None,
    numerals: NumeralsChoice = Numerals.SPOKEN,
    revision: ChosenRevision = NEWEST,
) -> Response:
    """Get the transcript of a recording."""
    chosen = transcript_format or preferred(request.headers.get("accept"))

    def read() -> tuple[bytes, str]:
        found = read_transcript(services, paths, job_id, numerals, caller.sees, revision)
        text = dump(found.document()) if chosen is Format.JSON else render(found.transcript, chosen)
        return text.encode(), content_disposition(found.job.file_name, chosen)

    body, disposition = await services.threads.read(read)
    headers = {
        "ETag": weak_etag(body),
        "Cache-Control": CACHE_FOR_A_DAY if revision == MACHINE else ASK_AGAIN,
        "Vary": "Accept",
        "Content-Disposition": disposition,
    }
    if is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, MEDIA_TYPES[chosen])


@router.get(
    "/waveform.png",
    response_class=Response,
    responses={
        200: {"description": "The waveform picture.", "content": {"image/png": {}}},
        304: {"description": "The picture matches If-None-Match."},
        **problems(*ERRORS, WaveformNotMade),
    },
)
async def get_waveform_png(
    request: Request, services: ServicesDep, paths: PathsDep, caller: Reading, job_id: JobId
) -> Response:
    """Get the waveform picture of a recording."""
    png = await services.threads.read(lambda: read_png(services, paths, job_id, caller.sees))
    return _picture(request, job_id, png)


@router.get(
    "/spectrogram.png",
    response_class=Response,
    responses={
        200: {"description": "The spectrogram.", "content": {"image/png": {}}},
        304: {"description": "The picture matches If-None-Match."},
        **problems(*ERRORS, SpectrogramNotMade),
    },
)
async def get_spectrogram_png(
    request: Request, services: ServicesDep, paths: PathsDep, caller: Reading, job_id: JobId
) -> Response:
    """Get the log-mel spectrogram of a recording, with the time axis of its waveform picture."""
    png = await services.threads.read(lambda: read_spectrogram(services, paths, job_id, caller.sees))
    return _picture(request, job_id, png)


@router.get("/waveform.json", response_model=PeaksOut, responses=problems(*ERRORS, WaveformNotMade))
async def get_waveform_json(
    services: ServicesDep, paths: PathsDep, caller: Reading, job_id: JobId
) -> Response:
    """Get the waveform peaks of a recording, in the JSON format of BBC audiowaveform."""
    peaks = await services.threads.read(lambda: read_peaks(services, paths, job_id, caller.sees))
    return Response(peaks, 200, {"Cache-Control": CACHE_FOR_A_DAY}, "application/json")


def _picture(request: Request, job_id: uuid.UUID, png: bytes) -> Response:
    headers = {"ETag": f'"{job_id}"', "Cache-Control": CACHE_FOR_A_DAY}
    if is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(png, 200, headers, "image/png")
