"""Submit recordings together, follow them, fetch all results at once, cancel and erase them."""

import math
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import StringConstraints

from api.batch_results import Wanted, results_zip
from api.http import examples
from api.http.authentication import Caller
from api.http.batch_schemas import BatchesOut, BatchOut
from api.http.dependencies import (
    BatchId,
    Cursor,
    IdempotencyKey,
    Limit,
    PathsDep,
    Reading,
    ServicesDep,
    Submitting,
    WaitSeconds,
)
from api.http.openapi import batch_form, problems
from api.http.paths import Paths
from api.http.polling import Polled, answer_poll
from api.intake.batch_submission import submit_batch_form
from api.intake.filenames import content_disposition
from api.result_names import safe_name
from api.routes.jobs import JSON, REPLAYED, UPLOAD_ERRORS, WHERE_TO_POLL
from api.routes.results import NumeralsChoice
from api.services import Services
from shared.errors import (
    ArchiveInvalid,
    BatchEmpty,
    BatchNotFinished,
    BatchNotFound,
    BatchTooLarge,
    DatabaseUnavailable,
    IdempotencyConflict,
    IllegalTransition,
    InvalidRequest,
    MemberRefused,
)
from shared.jobs import cancel_or_erase_batch, get_batch, page_of_batches, progress_of
from transcript.formats import Format
from transcript.transcript import Numerals

ZIP = "application/zip"
# The progress of running jobs wakes no long poll of their batch: it is read this often.
PROGRESS_SECONDS = 1.0
FORMATS = "^({0})( *, *({0}))*$".format("|".join(Format))
LONGEST_RETRY_SECONDS = 60

router = APIRouter(prefix="/v1/batches", tags=["batches"])


@router.post(
    "",
    status_code=202,
    response_model=BatchOut,
    responses={
        202: {
            "description": "All recordings are stored and their jobs are queued.",
            "headers": {
                **WHERE_TO_POLL,
                REPLAYED: {
                    "description": "`true` if the Idempotency-Key already had this batch.",
                    "schema": {"type": "string"},
                },
            },
            "content": {JSON: {"example": examples.BATCH}},
        },
        **problems(
            *UPLOAD_ERRORS, BatchTooLarge, BatchEmpty, ArchiveInvalid, MemberRefused, IdempotencyConflict
        ),
    },
    openapi_extra=batch_form(),
)
async def submit_batch(
    request: Request,
    services: ServicesDep,
    paths: PathsDep,
    caller: Submitting,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Submit many recordings, or one zip archive of them: all of them or none."""
    batch, is_replay = await submit_batch_form(request, services, caller, key=idempotency_key)
    out = await services.threads.read(lambda: _read_batch(services, paths, caller, batch.id))
    headers = {"Location": paths.batch(batch.id)} | ({REPLAYED: "true"} if is_replay else {})
    return Response(out.to_json(), 202, headers, JSON)


@router.get("", response_model=BatchesOut, responses=problems(InvalidRequest, DatabaseUnavailable))
async def list_batches(
    services: ServicesDep, paths: PathsDep, caller: Reading, cursor: Cursor = None, limit: Limit = 50
) -> Response:
    """List batches, newest first."""

    def read() -> bytes:
        with services.database.read() as session:
            page = page_of_batches(session, caller.sees, cursor=cursor, limit=limit)
            progress = progress_of(session, *(batch.id for batch in page.batches))
        batches = [BatchOut.of(batch, progress[batch.id], paths) for batch in page.batches]
        return BatchesOut(batches=batches, next_cursor=page.next_cursor).model_dump_json().encode()

    return Response(await services.threads.read(read), 200, {"Cache-Control": "private, no-cache"}, JSON)


@router.get(
    "/{batch_id}",
    response_model=BatchOut,
    responses={
        200: {"headers": {"ETag": {"description": "Changes with the batch.", "schema": {"type": "string"}}}},
        304: {"description": "The batch has not changed since If-None-Match, except its estimate."},
        **problems(InvalidRequest, BatchNotFound, DatabaseUnavailable),
    },
)
async def poll_batch(
    request: Request,
    services: ServicesDep,
    paths: PathsDep,
    caller: Reading,
    batch_id: BatchId,
    wait: WaitSeconds = 0,
) -> Response:
    """Poll a batch, or wait for it."""

    def read() -> Polled:
        batch = _read_batch(services, paths, caller, batch_id)
        return Polled(batch.to_json(), batch.etag, batch.finished_at is not None)

    watching = services.watcher.watching_batch(batch_id)
    return await answer_poll(request, services, watching, read, wait=wait, read_every=PROGRESS_SECONDS)


@router.get(
    "/{batch_id}/results.zip",
    response_class=Response,
    responses={
        200: {
            "description": "The results, packed while they are sent.",
            "headers": {
                "Content-Disposition": {"description": "The batch's name.", "schema": {"type": "string"}}
            },
            "content": {ZIP: {"schema": {"type": "string", "format": "binary"}}},
        },
        **problems(InvalidRequest, BatchNotFound, BatchNotFinished, DatabaseUnavailable),
    },
)
async def get_results_zip(
    services: ServicesDep,
    paths: PathsDep,
    caller: Reading,
    batch_id: BatchId,
    formats: Annotated[
        list[Annotated[str, StringConstraints(pattern=FORMATS)]],
        Query(
            alias="format",
            description="Formats of the transcripts: "
            f"{', '.join(f'`{one}`' for one in Format)}. Repeat it, or separate several by commas.",
        ),
    ] = [Format.TXT.value],  # noqa: B006 - FastAPI copies it
    numerals: NumeralsChoice = Numerals.SPOKEN,
    waveform: Annotated[bool, Query(description="Also the pictures of the waveforms, as NAME.png.")] = False,
    partial: Annotated[
        bool, Query(description="Also before all jobs have ended: with the results that there are.")
    ] = False,
    revision: Annotated[
        Literal["latest", "machine"],
        Query(description="Texts as people have corrected them last, or as the machine wrote them."),
    ] = "latest",
) -> Response:
    """Get the results of all jobs in one zip archive.

    FOLDER/NAME.srt holds the transcript of FOLDER/NAME.wav. Jobs without results are listed in `errors.tsv`.
    """
    wanted = Wanted(_formats_in(formats), numerals, waveform, revision)
    batch = await services.threads.read(lambda: _read_batch(services, paths, caller, batch_id))
    if batch.finished_at is None and not partial:
        seconds = min(max(math.ceil(batch.seconds_left or 1), 1), LONGEST_RETRY_SECONDS)
        raise BatchNotFinished(
            f"Not all jobs have ended. Poll {paths.batch(batch_id)}, or ask for `partial=true`.",
            headers={"Retry-After": str(seconds)},
        )
    # With an extension to replace, so that "tapes v1.2" keeps its last part.
    name = f"{safe_name(batch.name) if batch.name else 'results'}.zip"
    disposition = content_disposition(name, "zip", kind="attachment", fallback="results")
    headers = {"Content-Disposition": disposition, "Cache-Control": "private, no-cache"}
    blocks = results_zip(services, paths, batch_id, wanted)
    return StreamingResponse(_in_threads(services, blocks), 200, headers, ZIP)


@router.delete(
    "/{batch_id}",
    response_model=BatchOut,
    responses={
        200: {"description": "All jobs that had not ended are now cancelled."},
        202: {
            "description": "Jobs are cancelled, except running ones, which end after their current segment.",
            "model": BatchOut,
        },
        204: {"description": "All jobs had ended and are erased with their results and recordings."},
        **problems(InvalidRequest, BatchNotFound, IllegalTransition, DatabaseUnavailable),
    },
)
async def delete_batch(
    services: ServicesDep, paths: PathsDep, caller: Submitting, batch_id: BatchId
) -> Response:
    """Cancel all jobs of a batch, or erase a batch whose jobs have all ended."""

    def remove() -> BatchOut | None:
        batch = cancel_or_erase_batch(services.database, services.files, batch_id, caller.sees)
        return None if batch is None else _read_batch(services, paths, caller, batch_id)

    batch = await services.threads.batch(remove)
    services.doorbell.announce(batch_id)
    if batch is None:
        return Response(status_code=204)
    return Response(batch.to_json(), 202 if batch.finished_at is None else 200, None, JSON)


def _read_batch(services: Services, paths: Paths, caller: Caller, batch_id: uuid.UUID) -> BatchOut:
    with services.database.read() as session:
        batch = get_batch(session, batch_id, caller.sees)
        return BatchOut.of(batch, progress_of(session, batch_id)[batch_id], paths)


def _formats_in(sent: list[str]) -> list[Format]:
    """Return the formats that a query names, each once."""
    return [Format(name) for name in dict.fromkeys(name.strip() for one in sent for name in one.split(","))]


async def _in_threads(services: Services, blocks: Iterator[bytes]) -> AsyncIterator[bytes]:
    while block := await services.threads.batch(lambda: next(blocks, b"")):
        yield block
