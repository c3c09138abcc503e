"""Submit recordings to a service at given times, or so that a number of them is always unfinished."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from redis import asyncio as aioredis

from benchmarks.capacity.service import Service
from benchmarks.raw_http import Connection, connected, upload
from shared.announcements import CHANNEL
from shared.jobs import Job, JobStatus, Selection, count_running, page_of_jobs, queue_length

CONNECTIONS = 16
LONGEST_SECONDS = 180.0
PAGE = 200

OnEnd = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Measured:
    """The times of a job, in seconds since the epoch, as its row has them."""

    audio_seconds: float
    file_bytes: int
    arrived: float
    claimed: float
    ended: float

    @property
    def service(self) -> float:
        """Seconds from claim to end. In a group that includes the jobs before it."""
        return self.ended - self.claimed


async def at_times(
    service: Service, recordings: Sequence[Path], times: Sequence[float], on_end: OnEnd
) -> list[Measured]:
    """Submit each recording at its time, whatever has become of the others; return when all have ended."""
    bodies = {path: upload("/v1/jobs", path) for path in set(recordings)}
    ids: list[str] = []
    most = asyncio.Semaphore(CONNECTIONS)

    async def send(path: Path) -> None:
        async with most, connected(service.url) as connection:
            ids.append(await _submitted(connection, bodies[path]))
        on_end()

    async with asyncio.TaskGroup() as tasks:
        began = time.monotonic()
        for path, at in zip(recordings, times, strict=True):
            await asyncio.sleep(began + at - time.monotonic())
            tasks.create_task(send(path))
    await all_ended(service)
    return times_of(service, ids)


async def at_most(
    service: Service, recordings: Sequence[Path], outstanding: int, on_end: OnEnd, rest: float = 0.0
) -> list[Measured]:
    """Submit the next recording whenever fewer than ``outstanding`` are unfinished.

    Args:
        rest: seconds to wait before that, so that the process is idle again.

    Returns:
        The jobs, without those at the end, when fewer were unfinished.
    """
    ids: list[str] = []
    news = aioredis.Redis(unix_socket_path=str(service.redis.connection_pool.connection_kwargs["path"]))
    async with news, news.pubsub() as subscribed:
        await subscribed.subscribe(CHANNEL)
        heard: dict[str, int] = {}
        ended = 0
        for path in recordings:
            while len(ids) - ended >= outstanding:
                message = await subscribed.get_message(ignore_subscribe_messages=True, timeout=5.0)
                if message is None:
                    continue
                job = message["data"].decode()
                heard[job] = heard.get(job, 0) + 1  # one message at the claim, one at the end
                if heard[job] == 2:
                    ended += 1
                    on_end()
            await asyncio.sleep(rest)
            async with connected(service.url) as connection:
                ids.append(await _submitted(connection, upload("/v1/jobs", path)))
    await all_ended(service)
    jobs = times_of(service, ids)
    return jobs[: len(jobs) - outstanding]


async def _submitted(connection: Connection, request: bytes) -> str:
    answer = await connection.send(request)
    if answer.status != 202:
        raise SystemExit(f"The service answered {answer.status}: {answer.body.decode()}")
    return id_of(answer.body)


def id_of(body: bytes) -> str:
    """Return the id of a job from its JSON."""
    return str(json.loads(body)["id"])


async def all_ended(service: Service) -> None:
    """Wait until no job is unfinished."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        with service.database.read() as session:
            if not queue_length(session) + count_running(session):
                return
        await asyncio.sleep(0.25)
    raise SystemExit("The jobs did not end in time. Is the machine busy with something else?")


def times_of(service: Service, ids: Sequence[str]) -> list[Measured]:
    """Return the times of jobs, in the order of arrival."""
    wanted = {uuid.UUID(one) for one in ids}
    found: list[Job] = []
    cursor = None
    with service.database.read() as session:
        while len(found) < len(wanted):
            page = page_of_jobs(session, Selection(), limit=PAGE, cursor=cursor)
            found += [job for job in page.jobs if job.id in wanted]
            cursor = page.next_cursor
            if cursor is None:
                break
    failed = [job for job in found if job.status is not JobStatus.SUCCEEDED]
    if failed or len(found) < len(wanted):
        raise SystemExit(f"{len(failed)} jobs failed, {len(wanted) - len(found)} are missing.")
    # Jobs that were inserted in one transaction have the same time, and the order of their turns.
    return [_measured(job) for job in sorted(found, key=lambda job: (job.created_at, job.turn, job.id))]


def _measured(job: Job) -> Measured:
    assert job.started_at is not None
    assert job.finished_at is not None
    assert job.audio_seconds is not None
    return Measured(
        job.audio_seconds,
        job.file_bytes,
        job.created_at.timestamp(),
        job.started_at.timestamp(),
        job.finished_at.timestamp(),
    )
