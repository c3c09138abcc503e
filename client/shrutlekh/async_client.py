"""The asynchronous client, for asyncio and Trio. One client may be used by several tasks."""

import functools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, cast

import anyio
import anyio.to_thread
import httpx
from httpx_sse import EventSource
from shrutlekh_contract.options import NO_OPTIONS, RecognitionOptions
from tenacity import AsyncRetrying

from shrutlekh import batch_calls, calls, events
from shrutlekh.addresses import absolute
from shrutlekh.answers import Batch, BatchPage, Job, JobPage, Readiness, Revision
from shrutlekh.atomic_files import replacing
from shrutlekh.batch_calls import OnBatchProgress
from shrutlekh.calls import LONG_POLL_SECONDS, Follower, Follows, OnProgress, SubmitOptions
from shrutlekh.errors import ApiError
from shrutlekh.events import BatchEvent, EventFollower, JobEvent
from shrutlekh.exchange import Call, http_options, unreachable
from shrutlekh.retries import NO_RETRIES, OnWait, Retries
from shrutlekh.uploads import Source, opened, uploads_of

if TYPE_CHECKING:
    from shrutlekh.live import LiveSession

BLOCKS_AT_ONCE = 16  # of httpx's 64 KiB

T = TypeVar("T")
Followed = TypeVar("Followed", bound=Follows)


class AsyncShrutlekhClient:
    """:class:`shrutlekh.ShrutlekhClient` with ``await``: the same methods, arguments, answers and errors.

    Example:
        async with AsyncShrutlekhClient("http://127.0.0.1:8000") as client:
            job = await client.wait_for((await client.submit("interview.wav")).id)
            print((await client.transcript(job.id))["text"])

    Files are read in worker threads. Cancelling a task ends its request; the job stays at the service.
    """

    def __init__(
        self,
        url: str,
        timeout: float = 30.0,
        *,
        api_key: str | None = None,
        retries: Retries | None = None,
        connections: int = 64,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._retries = retries or Retries()
        self._sleep = sleep
        self._http = httpx.AsyncClient(**http_options(self.url, connections, api_key), transport=transport)

    async def submit(
        self, source: Source, *, on_wait: OnWait | None = None, **options: Unpack[SubmitOptions]
    ) -> Job:
        """Upload a recording, streamed in small blocks, and queue its job."""
        with opened(source) as file:
            return await self._send(calls.submit(file, **options), on_wait)

    async def job(self, job_id: str, wait: float | None = None) -> Job:
        """Return a job. With ``wait``, return when it has ended, or after that many seconds."""
        return await self._send(calls.job(job_id, wait))

    async def wait_for(
        self, job_id: str, on_progress: OnProgress | None = None, poll: float = LONG_POLL_SECONDS
    ) -> Job:
        """Wait until the job has ended. ``on_progress``, a plain function, gets the job at each change."""
        return await self._follow(calls.follow_job(job_id, on_progress, poll))

    def events(self, job_id: str, *, last_event_id: str | None = None) -> AsyncIterator[JobEvent]:
        """Follow a job from its submission to its end: ``async for event in client.events(job.id)``."""
        return self._listen(events.of_job(job_id, last_event_id, self._retries))

    def batch_events(self, batch_id: str, *, last_event_id: str | None = None) -> AsyncIterator[BatchEvent]:
        """Follow a job batch to its end."""
        return self._listen(events.of_batch(batch_id, last_event_id, self._retries))

    async def jobs(
        self,
        *,
        status: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
        counts: bool = False,
        batch: str | None = None,
        name: str | None = None,
    ) -> JobPage:
        """Return a page of jobs, newest first.

        Args:
            status: only jobs in this state.
            cursor: the ``next_cursor`` of the preceding page.
            counts: also count all jobs by state.
            batch: only jobs of the batch with this id.
            name: only jobs whose file name contains this text.
        """
        return await self._send(calls.jobs(status, limit, cursor, counts, batch, name))

    async def transcript(
        self, job_id: str, numerals: str | None = None, revision: str | None = None
    ) -> dict[str, Any]:
        """Return the transcript of a succeeded job; numerals "spoken", "latin" or "devanagari"; revision
        "latest", "machine" or a number."""
        return await self._send(calls.transcript(job_id, numerals, revision))

    async def transcript_text(
        self,
        job_id: str,
        format: str = "txt",  # noqa: A002 - the API's word
        numerals: str | None = None,
        revision: str | None = None,
    ) -> str:
        """Return the transcript as "txt", "srt", "vtt" or "tsv"."""
        return await self._send(calls.transcript_text(job_id, format, numerals, revision))

    async def correct(
        self, job_id: str, segments: Iterable[Mapping[str, Any]], begun_with: Revision | None = None
    ) -> Revision:
        """Save a corrected text beside the machine's.

        Args:
            segments: all of the text, in the shape of :meth:`transcript`. The text of a word has no spaces;
                one that you wrote has no ``confidence``. Other members are left out.
            begun_with: the revision that you corrected; None for the machine's text.

        Raises:
            ApiError: ``revision_conflict`` if somebody has saved another text since.
        """
        return await self._send(calls.correct(job_id, segments, begun_with))

    async def spectrogram_png(self, job_id: str) -> bytes:
        """Return the spectrogram as PNG, of a job submitted with ``spectrogram=True``."""
        return await self._send(calls.spectrogram_png(job_id))

    async def waveform_png(self, job_id: str) -> bytes:
        """Return the picture of the waveform as PNG."""
        return await self._send(calls.waveform_png(job_id))

    async def waveform_json(self, job_id: str) -> dict[str, Any]:
        """Return the peaks of the waveform in the JSON format of audiowaveform."""
        return await self._send(calls.waveform_json(job_id))

    async def delete(self, job_id: str) -> Job | None:
        """Cancel a job that has not ended. Erase one that has, with its files, and return None."""
        return await self._send(calls.delete(job_id))

    async def retry(self, job_id: str) -> Job:
        """Queue a failed or cancelled job again."""
        return await self._send(calls.retry(job_id))

    async def submit_batch(
        self,
        sources: Iterable[Source] = (),
        *,
        archive: Source | None = None,
        root: str | os.PathLike[str] | None = None,
        on_wait: OnWait | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Batch:
        """Upload many recordings, or a zip archive of them, and queue a job for each: for all or none."""
        files = uploads_of(sources, root) + uploads_of([] if archive is None else [archive], None, "archive")
        return await self._send(batch_calls.submit_batch(files, **options), on_wait)

    async def batch(self, batch_id: str, wait: float | None = None) -> Batch:
        """Return a batch. With ``wait``, return when it has ended, or after that many seconds."""
        return await self._send(batch_calls.batch(batch_id, wait))

    async def wait_for_batch(
        self, batch_id: str, on_progress: OnBatchProgress | None = None, poll: float = LONG_POLL_SECONDS
    ) -> Batch:
        """Wait until all jobs of the batch have ended, as :meth:`wait_for` does for one."""
        return await self._follow(batch_calls.follow_batch(batch_id, on_progress, poll))

    async def batches(self, *, limit: int = 50, cursor: str | None = None) -> BatchPage:
        """Return a page of batches, newest first."""
        return await self._send(batch_calls.batches(limit, cursor))

    async def delete_batch(self, batch_id: str) -> Batch | None:
        """Cancel the jobs of a batch. If all have ended, erase them and the batch, and return None."""
        return await self._send(batch_calls.delete_batch(batch_id))

    async def results_zip(
        self,
        batch_id: str,
        path: str | os.PathLike[str],
        *,
        formats: Iterable[str] = ("txt",),
        numerals: str | None = None,
        waveform: bool = False,
        partial: bool = False,
    ) -> Path:
        """Save the results of a batch as a zip archive, streamed to ``path``, and return the path.

        Args:
            formats: of the transcripts: "txt", "srt", "vtt", "tsv" or "json".
            numerals: as for :meth:`transcript`.
            waveform: also save the pictures of the waveforms.
            partial: do so also before all jobs have ended.

        Raises:
            OSError: the file cannot be written. A file that was there before is then unchanged.
        """
        call = batch_calls.results_zip(batch_id, formats, numerals, waveform, partial)
        await self._send(call, attempt=functools.partial(self._try_download, Path(path)))
        return Path(path)

    async def models(self) -> dict[str, Any]:
        """Return the installed models as ``{"default": name, "models": [...]}``."""
        return await self._send(calls.models())

    async def ready(self) -> Readiness:
        """Return whether the service can transcribe now, without retries."""
        return await self._send(calls.ready())

    @asynccontextmanager
    async def stream(
        self, sample_rate: int, options: RecognitionOptions = NO_OPTIONS
    ) -> AsyncIterator["LiveSession"]:
        """Open a live session for the duration of the block. Needs asyncio.

        Args:
            sample_rate: hertz of the samples, 8,000 to 48,000.
            options: of the recognition. SubmissionOptions also has ``numerals``.

        Raises:
            Unreachable, NotShrutlekh: no session can be opened.
        """
        from shrutlekh.live import opened as opened_session  # the library of WebSockets

        own = {"authorization", "x-api-key"}
        headers = {name: value for name, value in self._http.headers.items() if name in own}
        async with opened_session(self.url, sample_rate, options, headers) as session:
            yield session

    def url_of(self, link: str) -> str:
        """Return the URL of a link in an answer, such as ``job.links["transcript_srt"]``."""
        return absolute(self.url, link)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _listen(self, follower: EventFollower) -> AsyncIterator[Any]:
        while not follower.is_over:
            try:
                response = await self._http.send(follower.request(self._http), stream=True)
                async with aclosing(response):
                    if not response.is_success:
                        await response.aread()
                    if follower.begin(response):
                        async for received in EventSource(response).aiter_sse():
                            if (event := follower.read(received)) is not None:
                                yield event
            except (httpx.TransportError, httpx.InvalidURL) as error:
                follower.failed(unreachable(error, self.url))
            except ApiError as error:
                follower.failed(error)
            if not follower.is_over:
                await self._sleep(follower.pause())

    async def _follow(self, follower: Follower[Followed]) -> Followed:
        while (answer := follower.ended(await self._send(follower.call()))) is None:
            await self._sleep(follower.pause())
        return answer

    async def _send(
        self,
        call: Call[T],
        on_wait: OnWait | None = None,
        attempt: Callable[[Call[T]], Awaitable[T]] | None = None,
    ) -> T:
        retries = self._retries if call.is_retried else NO_RETRIES
        retrying = AsyncRetrying(sleep=self._sleep, **retries.for_tenacity(on_wait))
        return await retrying(attempt or self._try, call)

    async def _try(self, call: Call[T]) -> T:
        request = call.request(self._http, self._timeout)
        if call.files:
            request.stream = _ReadInThreads(cast(httpx.SyncByteStream, request.stream))
        try:
            response = await self._http.send(request)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise unreachable(error, self.url) from error
        return call.result(response, self.url)

    async def _try_download(self, path: Path, call: Call[T]) -> T:
        try:
            response = await self._http.send(call.request(self._http, self._timeout), stream=True)
            async with aclosing(response):
                if response.is_success:
                    with replacing(path) as file:
                        async for block in response.aiter_bytes():
                            await anyio.to_thread.run_sync(file.write, block)
                else:
                    await response.aread()
                return call.result(response, self.url)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise unreachable(error, self.url) from error


class _ReadInThreads(httpx.AsyncByteStream):
    """The body of a request, read in worker threads: a slow disk does not hold up the event loop."""

    def __init__(self, body: httpx.SyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        blocks = iter(self._body)
        while block := await anyio.to_thread.run_sync(_several, blocks):
            yield block


def _several(blocks: Iterator[bytes]) -> bytes:
    """Join the next blocks, empty at the end: a switch to a thread costs more than reading a single block."""
    return b"".join(islice(blocks, BLOCKS_AT_ONCE))
