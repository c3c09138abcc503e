"""Live events of jobs and batches, as server-sent events that a client can resume."""

import math
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractContextManager
from typing import Annotated, NamedTuple, Protocol, TypeVar

from anyio import current_time, sleep
from fastapi import APIRouter, Header, Query, Response

from api.http import examples
from api.http.authentication import Caller
from api.http.dependencies import BatchId, JobId, PathsDep, Reading, ServicesDep
from api.http.event_stream import HEARTBEAT, MEDIA_TYPE, EventStream, event, retry_after
from api.http.openapi import Responses, problems
from api.http.paths import Paths
from api.http.watched import Watch
from api.job_feed import BatchFeed, EventId, JobFeed, ListFeed
from api.services import Services
from shared.errors import BatchNotFound, DatabaseUnavailable, InvalidRequest, JobNotFound
from shared.jobs import (
    BatchNews,
    JobNews,
    ListNews,
    count_ended,
    get_batch,
    get_job,
    newest_event,
    news_of_batch,
    news_of_job,
    news_of_jobs,
    queue_position,
)

HEARTBEAT_SECONDS = 15.0
# A stream ends after this long, and its client connects again: keys and load balancers get their say.
STREAM_SECONDS = 900.0
RETRY_SECONDS = 1.0
# Positions in the queue change with other jobs. The stream of a list looks at them this often.
POSITION_SECONDS = 5.0
# The stream of a list does not read more often than this, however fast its jobs change.
LIST_SECONDS = 0.25
MOST_FOLLOWED = 100
# How soon a stream whose read found the database away reads again.
OUTAGE_SECONDS = 1.0

RESPONSES: Responses = {
    200: {
        "description": "Events until the end, in the format `text/event-stream`. A comment every "
        f"{HEARTBEAT_SECONDS:.0f} s shows that the connection lives.",
        "content": {MEDIA_TYPE: {"example": examples.EVENTS}},
    },
    204: {"description": "`Last-Event-ID` says that the client has seen the end. Do not connect again."},
}

Seen = TypeVar("Seen")

router = APIRouter(prefix="/v1", tags=["events"])

LastEventId = Annotated[
    str | None,
    Header(
        max_length=64,
        description="Id of the last event that the client has seen. The stream continues after it.",
    ),
]
LastEventIdInUrl = Annotated[
    str | None,
    Query(
        alias="last_event_id",
        max_length=64,
        description="The same, for clients that cannot set the header.",
    ),
]


JobsToFollow = Annotated[
    list[uuid.UUID],
    Query(alias="job", min_length=1, max_length=MOST_FOLLOWED, description="Ids of the jobs to follow."),
]


class Rhythm(NamedTuple):
    """How often a stream reads: at least every ``read_every`` seconds, with a ``pause`` after each read."""

    read_every: float = math.inf
    pause: float = 0.0


WHEN_IT_CHANGES = Rhythm()


class Feed(Protocol):
    """Turns what was read into events. ``has_more``: reading again brings more at once."""

    has_ended: bool
    has_more: bool


@router.get(
    "/events",
    response_class=Response,
    responses={
        200: {
            "description": "Each job as it is now and whenever it changes, and the newest segment of those "
            "that run, until all have ended. A comment at least every "
            f"{HEARTBEAT_SECONDS:.0f} s shows that the connection lives.",
            "content": {MEDIA_TYPE: {"example": examples.LIST_EVENTS}},
        },
        **problems(InvalidRequest, DatabaseUnavailable),
    },
)
async def events_of_jobs(
    services: ServicesDep, paths: PathsDep, caller: Reading, job_ids: JobsToFollow
) -> Response:
    """Follow several jobs on one connection, as a list of them needs it."""
    feed = ListFeed(job_ids, paths)

    def read() -> ListNews:
        with services.database.snapshot() as session:
            return news_of_jobs(session, feed.job_ids, caller.sees)

    await services.threads.read(read)  # an error is an answer here, and only a pause later
    watching = services.watcher.watching_job(*job_ids)
    rhythm = Rhythm(read_every=POSITION_SECONDS, pause=LIST_SECONDS)
    return EventStream(_follow(services, watching, feed, read, feed.blocks, job_ids[0], rhythm))


@router.get(
    "/jobs/{job_id}/events",
    response_class=Response,
    responses={**RESPONSES, **problems(InvalidRequest, JobNotFound, DatabaseUnavailable)},
)
async def job_events(
    services: ServicesDep,
    paths: PathsDep,
    caller: Reading,
    job_id: JobId,
    last_event_id: LastEventId = None,
    last_event_id_in_url: LastEventIdInUrl = None,
) -> Response:
    """Follow a job: transitions, progress, segments, its end."""
    at = EventId.parse(last_event_id or last_event_id_in_url)

    def has_seen_all() -> bool:
        with services.database.snapshot() as session:
            job = get_job(session, job_id, caller.sees)
            return at.is_end and job.status.is_final and newest_event(session, job_id) == at.event

    if await services.threads.read(has_seen_all):
        return Response(status_code=204)
    feed = JobFeed(at, paths)

    def read() -> tuple[JobNews, int | None]:
        with services.database.snapshot() as session:
            news = news_of_job(session, job_id, caller.sees, event=feed.event, segments=feed.segments)
            return news, queue_position(session, news.job) if news.events else None

    watching = services.watcher.watching_job(job_id)
    return EventStream(_follow(services, watching, feed, read, lambda seen: feed.blocks(*seen), job_id))


@router.get(
    "/batches/{batch_id}/events",
    response_class=Response,
    responses={**RESPONSES, **problems(InvalidRequest, BatchNotFound, DatabaseUnavailable)},
)
async def batch_events(
    services: ServicesDep,
    paths: PathsDep,
    caller: Reading,
    batch_id: BatchId,
    last_event_id: LastEventId = None,
    last_event_id_in_url: LastEventIdInUrl = None,
) -> Response:
    """Follow a job batch: its progress, each job that ends, its end."""
    at = EventId.parse(last_event_id or last_event_id_in_url)
    feed = await services.threads.read(lambda: _batch_feed(services, paths, caller, batch_id, at))
    if feed is None:
        return Response(status_code=204)

    def read() -> BatchNews:
        with services.database.snapshot() as session:
            return news_of_batch(session, batch_id, event=feed.event, seen=feed.seen)

    watching = services.watcher.watching_batch(batch_id)
    return EventStream(_follow(services, watching, feed, read, feed.blocks, batch_id))


def _batch_feed(
    services: Services, paths: Paths, caller: Caller, batch_id: uuid.UUID, at: EventId
) -> BatchFeed | None:
    """Return the feed for a listener, or None if it has seen the end."""
    with services.database.snapshot() as session:
        batch = get_batch(session, batch_id, caller.sees)
        news = news_of_batch(session, batch_id, event=at.event, seen=frozenset())
        ended = count_ended(session, batch_id, at.event)
    feed = BatchFeed(batch_id, at, batch.jobs, paths)
    feed.resume(news, ended)
    return None if at.is_end and feed.is_over(news) else feed


async def _follow(
    services: Services,
    watching: AbstractContextManager[Watch],
    feed: Feed,
    read: Callable[[], Seen],
    blocks: Callable[[Seen], Iterator[bytes]],
    followed: uuid.UUID,
    rhythm: Rhythm = WHEN_IT_CHANGES,
) -> AsyncGenerator[bytes, None]:
    """Yield events until the end, the shutdown of the service, or :data:`STREAM_SECONDS` later."""
    deadline = current_time() + STREAM_SECONDS
    yield retry_after(RETRY_SECONDS)
    with watching as watch:
        while not services.watcher.is_stopping and current_time() < deadline:
            watch.look()
            try:
                seen = await services.threads.read(read)
            except DatabaseUnavailable:
                await watch.wait(OUTAGE_SECONDS)
                yield HEARTBEAT
                continue
            except JobNotFound:
                yield event("erased", f'{{"id":"{followed}"}}')
                return
            for block in blocks(seen):
                yield block
            if feed.has_ended:
                return
            await sleep(rhythm.pause)
            again = min(deadline, current_time() + rhythm.read_every)
            patience = min(HEARTBEAT_SECONDS, rhythm.read_every)
            while not (feed.has_more or await watch.wait(patience)):
                yield HEARTBEAT
                if current_time() >= again:
                    break
