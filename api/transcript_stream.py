"""The transcript of a job that is still running, as server-sent events in OpenAI's shape."""

import json
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from starlette.requests import Request

from api.finished_jobs import MACHINE, read_transcript, refuse_unless_succeeded, segment_of
from api.http.openai_errors import ErrorShape, error_object, status_in
from api.http.openai_schemas import TextDelta, TextDone, UsageOut
from api.http.paths import Paths
from api.http.schemas import Shape
from api.services import Services
from shared.errors import ServiceError
from shared.jobs import Job, SegmentRow, get_job, segments_since
from transcript.transcript import Numerals, with_numerals

# A comment after this many seconds without an event keeps proxies from closing the connection.
KEEP_ALIVE_SECONDS = 10.0
KEEP_ALIVE = b": waiting\n\n"


class _Snapshot(NamedTuple):
    """A job and the segments saved since the last snapshot."""

    job: Job
    segments: Sequence[SegmentRow]


async def stream_transcript(
    request: Request, services: Services, paths: Paths, job_id: uuid.UUID, numerals: Numerals
) -> AsyncIterator[bytes]:
    """Yield an event for each segment as it is saved, then the whole text.

    An error ends the stream as an event in OpenAI's shape. The stream also ends when the client disconnects;
    the job continues.
    """
    try:
        async for event in _events(request, services, paths, job_id, numerals):
            yield event
    except ServiceError as error:
        status = status_in(ErrorShape.OPENAI, error.code, error.status)
        document = {"error": error_object(error.code, status, error.message, error.extra)}
        yield b"event: error\n" + _data(json.dumps(document, ensure_ascii=False))


async def _events(
    request: Request, services: Services, paths: Paths, job_id: uuid.UUID, numerals: Numerals
) -> AsyncIterator[bytes]:
    sent, quiet = 0, 0.0
    patience = services.settings.simple_wait_seconds
    has_text = False

    def look() -> _Snapshot:
        with services.database.read() as session:
            # The job first: if it has ended, no segment is missing.
            return _Snapshot(get_job(session, job_id), segments_since(session, job_id, sent))

    while True:
        pause = min(KEEP_ALIVE_SECONDS, patience - quiet)
        seen = await services.watcher.wait(
            services.watcher.watching_job(job_id),
            read=lambda: services.threads.read(look),
            until=_is_news,
            seconds=pause,
            is_gone=request.is_disconnected,
        )
        job, rows = seen
        for row in rows:
            text = with_numerals(segment_of(row), numerals).text
            if text:
                yield _event(TextDelta(delta=f" {text}" if has_text else text))
                has_text = True
        sent += len(rows)
        quiet = 0.0 if rows else quiet + pause
        if await request.is_disconnected():
            return
        if job.status.is_final or quiet >= patience or services.watcher.is_stopping:
            break
        if not rows:
            yield KEEP_ALIVE
    refuse_unless_succeeded(job, paths)
    transcript = (
        await services.threads.read(lambda: read_transcript(services, paths, job_id, numerals, None, MACHINE))
    ).transcript
    yield _event(TextDone(text=transcript.text, usage=UsageOut(seconds=transcript.seconds)))


def _is_news(seen: _Snapshot) -> bool:
    return seen.job.status.is_final or bool(seen.segments)


def _event(shape: Shape) -> bytes:
    return _data(shape.model_dump_json())


def _data(text: str) -> bytes:
    return f"data: {text}\n\n".encode()
