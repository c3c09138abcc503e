"""Live events of a job or a job batch, and the logic of following them over broken connections."""

from collections.abc import Mapping
from typing import Any

import httpx
from httpx_sse import ServerSentEvent
from pydantic import ValidationError

from shrutlekh.answers import Answer, Job
from shrutlekh.errors import ApiError, NotShrutlekh, Unreachable
from shrutlekh.exchange import CONNECT_SECONDS, error_of
from shrutlekh.retries import RETRYABLE_STATUS, Retries

# A service sends something every 15 seconds.
SILENCE_SECONDS = 45.0
RECONNECT_SECONDS = 1.0


class StatusChanged(Answer):
    """A job changed its state: what happened, the state after it, and the job as it is now.

    After the events "retried" and "restarted", segments are counted from 0 again.
    """

    event: str
    status: str
    attempt: int
    at: str
    code: str | None = None
    job: Job


class Progressed(Answer):
    """How far a running job is, from 0 to 1."""

    id: str
    progress: float


class SegmentSaved(Answer):
    """A segment of a job that may not have ended: ``position`` counts them, times are seconds."""

    position: int
    start: float
    end: float
    channel: int | None = None
    text: str
    confidence: float | None = None
    avg_logprob: float | None = None
    words: tuple[Mapping[str, Any], ...] = ()


class JobEnded(Job):
    """The job, which has ended. The last event of a job; in a batch, one for each of its jobs."""


class JobErased(Answer):
    """The job was erased while it was followed. The last event."""

    id: str


class BatchProgressed(Answer):
    """How far a job batch is: number of its jobs, and of those in each state."""

    id: str
    jobs: int
    counts: Mapping[str, int]


class BatchEnded(BatchProgressed):
    """All jobs of the batch have ended. The last event."""


JobEvent = StatusChanged | Progressed | SegmentSaved | JobEnded | JobErased
BatchEvent = BatchProgressed | JobEnded | BatchEnded | JobErased

OF_JOB: Mapping[str, type[Answer]] = {
    "status": StatusChanged,
    "progress": Progressed,
    "segment": SegmentSaved,
    "end": JobEnded,
    "erased": JobErased,
}
OF_BATCH: Mapping[str, type[Answer]] = {
    "progress": BatchProgressed,
    "job": JobEnded,
    "end": BatchEnded,
    "erased": JobErased,
}
LAST = frozenset({"end", "erased"})


class EventFollower:
    """Follows a stream over any number of connections. Nothing here sends.

    Attributes:
        is_over: whether the last event was received, so that there is nothing to connect for.
    """

    def __init__(
        self, path: str, kinds: Mapping[str, type[Answer]], last_event_id: str | None, retries: Retries
    ) -> None:
        self.path = path
        self.is_over = False
        self._kinds = kinds
        self._last_id = last_event_id
        self._retries = retries
        self._failures = 0
        self._pause = RECONNECT_SECONDS
        self._asked: float | None = None

    def request(self, http: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """Build the request of the next connection, which continues after the last event."""
        headers = {"Accept": "text/event-stream"}
        if self._last_id is not None:
            headers["Last-Event-ID"] = self._last_id
        timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS, pool=None)
        return http.build_request("GET", self.path, headers=headers, timeout=timeout)

    def begin(self, response: httpx.Response) -> bool:
        """Return whether the response has events to read.

        Raises:
            ApiError: it is an error.
            NotShrutlekh: it is not a stream of events.
        """
        if not response.is_success:
            raise error_of(response)
        if response.status_code == httpx.codes.NO_CONTENT:
            self.is_over = True
            return False
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            raise NotShrutlekh(f"The answer of {response.url} is not a stream of events.")
        return True

    def read(self, received: ServerSentEvent) -> Any:
        """Return a received event, or None if it is of a kind that this client does not know.

        Raises:
            NotShrutlekh: it has a wrong shape.
        """
        self._failures = 0
        if received.retry is not None:
            self._pause = received.retry / 1000
        if received.id:
            self._last_id = received.id
        kind = self._kinds.get(received.event)
        if kind is None or not received.data:
            return None
        try:
            event = kind.model_validate_json(received.data)
        except ValidationError as error:
            raise NotShrutlekh(f"The event {received.event} has a wrong shape.") from error
        self.is_over = received.event in LAST
        return event

    def failed(self, failure: ApiError | Unreachable) -> None:
        """Note that a connection failed or broke.

        Raises:
            ApiError, Unreachable: trying again is useless, or was tried often enough.
        """
        is_temporary = not isinstance(failure, ApiError) or failure.status in RETRYABLE_STATUS
        self._failures += 1
        if not is_temporary or self._failures >= self._retries.attempts:
            raise failure
        self._asked = getattr(failure, "retry_after", None)

    def pause(self) -> float:
        """Return the seconds until the next connection."""
        asked, self._asked = self._asked, None
        return self._retries.delay(self._failures, asked) if self._failures else self._pause


def of_job(job_id: str, last_event_id: str | None, retries: Retries) -> EventFollower:
    """``GET /v1/jobs/{id}/events``."""
    return EventFollower(f"/v1/jobs/{job_id}/events", OF_JOB, last_event_id, retries)


def of_batch(batch_id: str, last_event_id: str | None, retries: Retries) -> EventFollower:
    """``GET /v1/batches/{id}/events``."""
    return EventFollower(f"/v1/batches/{batch_id}/events", OF_BATCH, last_event_id, retries)
