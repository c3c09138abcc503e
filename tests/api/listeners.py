"""Listeners of event streams, and a worker that takes one job through its life a step at a time."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta

import anyio
import httpx

from shared.database import Database
from shared.files import FileStore
from shared.jobs import Job, claim, fail, renew, retry, save_segments, start_over
from shared.jobs.attempts import succeed
from shared.jobs.results import Measurements
from tests.shared.conftest import store_file
from transcript.words import Segment

MEASURED = Measurements(4.0, 16000, 1, 1.5, {})
OWNER = "pretend"
LEASE = timedelta(seconds=60)


@dataclass
class Event:
    """An event as a client receives it."""

    name: str
    id: str
    data: dict


class Listener:
    """Reads a stream as the HTML standard says."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.comments = 0
        self._lines = response.aiter_lines()

    async def next(self, seconds: float = 10.0) -> Event | None:
        """The next event, or None at the end of the stream."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(seconds):
            async for line in self._lines:
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "data" in fields:
                    return Event(fields["event"], fields.get("id", ""), json.loads(fields["data"]))
        return None

    async def until(self, name: str) -> list[Event]:
        """All events up to the first one of this name."""
        events = []
        while (event := await self.next()) is not None:
            events.append(event)
            if event.name == name:
                return events
        raise AssertionError(f"the stream ended without {name}: {events}")

    async def rest(self) -> list[Event]:
        """All events until the stream ends."""
        events = []
        while (event := await self.next()) is not None:
            events.append(event)
        return events


@contextlib.asynccontextmanager
async def listening(
    client: httpx.AsyncClient, job_id: object, last: str | None = None, *, what: str = "jobs", **more: str
) -> AsyncIterator[Listener]:
    headers = more if last is None else more | {"Last-Event-ID": last}
    async with client.stream("GET", f"/v1/{what}/{job_id}/events", headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        yield Listener(response)


def segment(number: int) -> Segment:
    return Segment(float(number), number + 0.5, f"शब्द {number}", 0.5, ())


class Steps:
    """Takes one job through its life, a transaction a step, without announcing it."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self.database = database
        self.files = files
        self.job: Job
        self.saved = 0

    def claim(self) -> None:
        with self.database.write() as session:
            job = claim(session, OWNER, LEASE)
            assert job is not None
            self.job = job

    def save(self, count: int) -> None:
        """Save so many more segments, as a worker does together with its renewal."""
        made = [segment(number) for number in range(self.saved, self.saved + count)]
        with self.database.write() as session:
            renew(session, self.job.id, OWNER, LEASE, 0.1 * (self.saved + count), self.saved + count)
            save_segments(session, self.job.id, made, self.saved)
        self.saved += count

    def succeed(self, count: int = 0) -> None:
        """End the job; its last segments come in the same transaction."""
        made = [segment(number) for number in range(self.saved, self.saved + count)]
        with self.database.write() as session:
            save_segments(session, self.job.id, made, self.saved)
            self.job = succeed(session, self.job, owner=OWNER, measured=MEASURED, waveform=None)

    def step(self, verb: Callable[..., Job], **more: object) -> None:
        with self.database.write() as session:
            self.job = verb(session, session.get_one(Job, self.job.id), owner=OWNER, **more)

    def fail(self) -> None:
        with self.database.write() as session:
            self.job = fail(session, self.files, self.job, owner=OWNER, code="model_invalid", message="No.")
        self.saved = 0

    def start_over(self) -> None:
        self.step(start_over, lease=LEASE, model_version="new")
        self.saved = 0

    def retry(self) -> None:
        store_file(self.files, self.job)
        with self.database.write() as session:
            self.job = retry(session, self.files, self.job.id, 2)


def summary(events: list[Event]) -> list[str]:
    """The events in short: transitions, positions of segments, the end."""
    short = {
        "status": lambda data: data["event"],
        "segment": lambda data: data["position"],
        "end": lambda data: f"end {data['status']}",
    }
    return [short[event.name](event.data) for event in events if event.name in short]


async def in_thread(step: Callable[[], object]) -> None:
    await anyio.to_thread.run_sync(step)
