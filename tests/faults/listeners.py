"""Clients that follow each job live, over every connection that breaks, and note what they hear."""

import asyncio
import threading
from dataclasses import dataclass, field

from shrutlekh import (
    AsyncShrutlekhClient,
    ClientError,
    JobEnded,
    Retries,
    SegmentSaved,
    StatusChanged,
)

PATIENCE = Retries(attempts=10_000, base=0.1, longest=1.0)
CONNECTIONS = 1000


@dataclass(slots=True)
class Heard:
    """What a listener was told of a job.

    Attributes:
        positions: of the segments, in the order in which they came.
        texts: of the segments.
        events: transitions.
        ends: states that the job ended in.
        error: what ended the listening too early.
    """

    positions: list[int] = field(default_factory=list)
    texts: list[tuple[float, str]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    error: str | None = None


class Listeners(threading.Thread):
    """One event loop that listens to all jobs."""

    def __init__(self, url: str) -> None:
        super().__init__(name="listeners", daemon=True)
        self.heard: dict[str, Heard] = {}
        self._url = url
        self._loop = asyncio.new_event_loop()
        self._client: AsyncShrutlekhClient
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()

    def run(self) -> None:
        """Listen until :meth:`stop`."""
        asyncio.set_event_loop(self._loop)
        self._client = AsyncShrutlekhClient(self._url, retries=PATIENCE, connections=CONNECTIONS)
        self._ready.set()
        self._loop.run_forever()

    def follow(self, job_id: str) -> None:
        """Listen to a job from now on."""
        self._ready.wait()
        heard = self.heard[job_id] = Heard()
        self._loop.call_soon_threadsafe(self._begin, job_id, heard)

    @property
    def listening(self) -> int:
        """How many jobs have not told their end."""
        return sum(not (heard.ends or heard.error) for heard in list(self.heard.values()))

    def stop(self) -> None:
        """Stop listening."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self.join(10)

    def _begin(self, job_id: str, heard: Heard) -> None:
        task = self._loop.create_task(self._listen(job_id, heard))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen(self, job_id: str, heard: Heard) -> None:
        try:
            async for event in self._client.events(job_id):
                if isinstance(event, SegmentSaved):
                    heard.positions.append(event.position)
                    heard.texts.append((event.start, event.text))
                elif isinstance(event, StatusChanged):
                    heard.events.append(event.event)
                elif isinstance(event, JobEnded):
                    heard.ends.append(event.status)
        except ClientError as error:
            heard.error = str(error)
