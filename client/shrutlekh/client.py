"""The synchronous client. One client may be used by several threads."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx
from httpx_sse import EventSource
from tenacity import Retrying

from shrutlekh import calls, events
from shrutlekh.addresses import absolute
from shrutlekh.answers import Job, JobPage, Readiness
from shrutlekh.calls import LONG_POLL_SECONDS, Follower, OnProgress, SubmitOptions
from shrutlekh.errors import ApiError
from shrutlekh.events import BatchEvent, EventFollower, JobEvent
from shrutlekh.exchange import Call, http_options, unreachable
from shrutlekh.retries import NO_RETRIES, OnWait, Retries
from shrutlekh.uploads import Source, opened

T = TypeVar("T")


class ShrutlekhClient:
    """Submits recordings to a service and fetches their transcripts.

    Example:
        with ShrutlekhClient("http://127.0.0.1:8000") as client:
            job = client.wait_for(client.submit("interview.wav").id)
            print(client.transcript(job.id)["text"])

    A request that fails with a broken connection, 429, 503 or 507 is retried as ``retries`` says. All tries
    of a submission share an idempotency key, so a lost answer does not submit the recording twice.

    Args:
        url: of the service, for example "http://127.0.0.1:8000".
        timeout: longest silence of the service in seconds.
        api_key: sent with every request. Default: the environment variable SHRUTLEKH_API_KEY, if it is set.
            An empty string: none.
        connections: most connections at a time.
        transport: httpx transport to use instead of the network.
        sleep: called with the seconds of each pause.

    Every method raises:
        ApiError: the service answered with an error.
        Unreachable: no answer, after all tries.
        NotShrutlekh: an answer that is not the API's.
    """

    def __init__(
        self,
        url: str,
        timeout: float = 30.0,
        *,
        api_key: str | None = None,
        retries: Retries | None = None,
        connections: int = 64,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._retries = retries or Retries()
        self._sleep = sleep
        self._http = httpx.Client(**http_options(self.url, connections, api_key), transport=transport)

    def submit(
        self, source: Source, *, on_wait: OnWait | None = None, **options: Unpack[SubmitOptions]
    ) -> Job:
        """Upload a recording, streamed in small blocks, and queue its job.

        Args:
            source: a path, or a seekable binary file, which is sent from its beginning.
            on_wait: called before each pause between tries, with the reason and the seconds.
            name: what the service calls the recording. Default: the file's name without its folder.
            model: an installed model. Default: the service's.
            transcript, waveform: whether to make them. Default: both.
            priority: "high", "normal" or "low". Default: the service's choice.
            client: who submits; clients take turns. Default: the address of the connection.
            webhook_url: where the service sends a signed webhook when the job has ended; see
                :mod:`shrutlekh.webhooks`.
            recognition: options such as decoder, hot-words and channels. An argument of this method overrides
                the option of the same name.
            idempotency_key: 1 to 255 visible ASCII characters. Default: a random one. The service answers
                the same key and recording with the same job.

        Raises:
            RecordingUnreadable: the file cannot be read, or became shorter during the upload.
        """
        with opened(source) as file:
            return self._send(calls.submit(file, **options), on_wait)

    def job(self, job_id: str, wait: float | None = None) -> Job:
        """Return a job. With ``wait``, return when it has ended, or after that many seconds."""
        return self._send(calls.job(job_id, wait))

    def wait_for(
        self, job_id: str, on_progress: OnProgress | None = None, poll: float = LONG_POLL_SECONDS
    ) -> Job:
        """Wait until the job has ended, however long that takes, by long polls of ``poll`` seconds.

        ``on_progress`` is called with the job whenever it has changed.
        """
        follower = Follower(job_id, on_progress, poll)
        while (job := follower.ended(self._send(follower.call()))) is None:
            self._sleep(follower.pause())
        return job

    def events(self, job_id: str, *, last_event_id: str | None = None) -> Iterator[JobEvent]:
        """Follow a job from its submission to its end, as it happens.

        A connection that breaks is made again, and continues after the last event. The last event is
        :class:`shrutlekh.events.JobEnded`, or ``JobErased`` if the job is erased meanwhile.

        Args:
            last_event_id: only what comes after this event.
        """
        return self._follow(events.of_job(job_id, last_event_id, self._retries))

    def batch_events(self, batch_id: str, *, last_event_id: str | None = None) -> Iterator[BatchEvent]:
        """Follow a job batch to its end, as :meth:`events` follows a job."""
        return self._follow(events.of_batch(batch_id, last_event_id, self._retries))

    def jobs(
        self, *, status: str | None = None, limit: int = 50, cursor: str | None = None, counts: bool = False
    ) -> JobPage:
        """Return a page of jobs, newest first.

        Args:
            status: only jobs in this state.
            cursor: the ``next_cursor`` of the preceding page.
            counts: also count all jobs by state.
        """
        return self._send(calls.jobs(status, limit, cursor, counts))

    def transcript(self, job_id: str, numerals: str | None = None) -> dict[str, Any]:
        """Return the transcript of a succeeded job as a JSON document.

        Args:
            numerals: numbers as "spoken" (the default), or in "latin" or "devanagari" digits.
        """
        return self._send(calls.transcript(job_id, numerals))

    def transcript_text(
        self,
        job_id: str,
        format: str = "txt",  # noqa: A002 - the API's word
        numerals: str | None = None,
    ) -> str:
        """Return the transcript as "txt", "srt", "vtt" or "tsv"; numerals as in :meth:`transcript`."""
        return self._send(calls.transcript_text(job_id, format, numerals))

    def waveform_png(self, job_id: str) -> bytes:
        """Return the picture of the waveform as PNG."""
        return self._send(calls.waveform_png(job_id))

    def waveform_json(self, job_id: str) -> dict[str, Any]:
        """Return the peaks of the waveform in the JSON format of audiowaveform."""
        return self._send(calls.waveform_json(job_id))

    def delete(self, job_id: str) -> Job | None:
        """Cancel a job that has not ended. Erase one that has, with its files, and return None."""
        return self._send(calls.delete(job_id))

    def retry(self, job_id: str) -> Job:
        """Queue a failed or cancelled job again."""
        return self._send(calls.retry(job_id))

    def models(self) -> dict[str, Any]:
        """Return the installed models as ``{"default": name, "models": [...]}``."""
        return self._send(calls.models())

    def ready(self) -> Readiness:
        """Return whether the service can transcribe now, without retries."""
        return self._send(calls.ready())

    def url_of(self, link: str) -> str:
        """Return the URL of a link in an answer, such as ``job.links["transcript_srt"]``."""
        return absolute(self.url, link)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _follow(self, follower: EventFollower) -> Iterator[Any]:
        while not follower.is_over:
            try:
                with closing(self._http.send(follower.request(self._http), stream=True)) as response:
                    if not response.is_success:
                        response.read()
                    if follower.begin(response):
                        for received in EventSource(response).iter_sse():
                            if (event := follower.read(received)) is not None:
                                yield event
            except (httpx.TransportError, httpx.InvalidURL) as error:
                follower.failed(unreachable(error, self.url))
            except ApiError as error:
                follower.failed(error)
            if not follower.is_over:
                self._sleep(follower.pause())

    def _send(self, call: Call[T], on_wait: OnWait | None = None) -> T:
        retries = self._retries if call.is_retried else NO_RETRIES
        result: T = Retrying(sleep=self._sleep, **retries.for_tenacity(on_wait))(self._try, call)
        return result

    def _try(self, call: Call[T]) -> T:
        try:
            response = self._http.send(call.request(self._http, self._timeout))
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise unreachable(error, self.url) from error
        return call.result(response, self.url)
