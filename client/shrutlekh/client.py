"""The synchronous client. One client may be used by several threads."""

import functools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx
from httpx_sse import EventSource
from tenacity import Retrying

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

T = TypeVar("T")
Followed = TypeVar("Followed", bound=Follows)


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
            transcript, waveform, spectrogram: whether to make them. Default: the first two.
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
        return self._follow(calls.follow_job(job_id, on_progress, poll))

    def events(self, job_id: str, *, last_event_id: str | None = None) -> Iterator[JobEvent]:
        """Follow a job from its submission to its end, as it happens.

        A connection that breaks is made again, and continues after the last event. The last event is
        :class:`shrutlekh.events.JobEnded`, or ``JobErased`` if the job is erased meanwhile.

        Args:
            last_event_id: only what comes after this event.
        """
        return self._listen(events.of_job(job_id, last_event_id, self._retries))

    def batch_events(self, batch_id: str, *, last_event_id: str | None = None) -> Iterator[BatchEvent]:
        """Follow a job batch to its end, as :meth:`events` follows a job."""
        return self._listen(events.of_batch(batch_id, last_event_id, self._retries))

    def jobs(
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
        return self._send(calls.jobs(status, limit, cursor, counts, batch, name))

    def transcript(
        self, job_id: str, numerals: str | None = None, revision: str | None = None
    ) -> dict[str, Any]:
        """Return the transcript of a succeeded job as a JSON document.

        Args:
            numerals: numbers as "spoken" (the default), or in "latin" or "devanagari" digits.
            revision: "latest" (the default), as people have corrected it last; "machine"; or a number.
        """
        return self._send(calls.transcript(job_id, numerals, revision))

    def transcript_text(
        self,
        job_id: str,
        format: str = "txt",  # noqa: A002 - the API's word
        numerals: str | None = None,
        revision: str | None = None,
    ) -> str:
        """Return the transcript as "txt", "srt", "vtt" or "tsv"; the rest as in :meth:`transcript`."""
        return self._send(calls.transcript_text(job_id, format, numerals, revision))

    def correct(
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
        return self._send(calls.correct(job_id, segments, begun_with))

    def spectrogram_png(self, job_id: str) -> bytes:
        """Return the spectrogram as PNG, of a job submitted with ``spectrogram=True``."""
        return self._send(calls.spectrogram_png(job_id))

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

    def submit_batch(
        self,
        sources: Iterable[Source] = (),
        *,
        archive: Source | None = None,
        root: str | os.PathLike[str] | None = None,
        on_wait: OnWait | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Batch:
        """Upload many recordings, or a zip archive of them, and queue a job for each: for all or none.

        Args:
            sources: paths, or seekable binary files, each sent from its beginning.
            archive: a zip of recordings, instead of ``sources``.
            root: a folder; the paths are sent relative to it, and their folders are kept in the results.
            on_wait, options: as for :meth:`submit`; ``name`` is that of the batch.

        Raises:
            RecordingUnreadable: a file cannot be read, became shorter during the upload, or is not below
                ``root``.
        """
        files = uploads_of(sources, root) + uploads_of([] if archive is None else [archive], None, "archive")
        return self._send(batch_calls.submit_batch(files, **options), on_wait)

    def batch(self, batch_id: str, wait: float | None = None) -> Batch:
        """Return a batch. With ``wait``, return when it has ended, or after that many seconds."""
        return self._send(batch_calls.batch(batch_id, wait))

    def wait_for_batch(
        self, batch_id: str, on_progress: OnBatchProgress | None = None, poll: float = LONG_POLL_SECONDS
    ) -> Batch:
        """Wait until all jobs of the batch have ended, as :meth:`wait_for` does for one."""
        return self._follow(batch_calls.follow_batch(batch_id, on_progress, poll))

    def batches(self, *, limit: int = 50, cursor: str | None = None) -> BatchPage:
        """Return a page of batches, newest first."""
        return self._send(batch_calls.batches(limit, cursor))

    def delete_batch(self, batch_id: str) -> Batch | None:
        """Cancel the jobs of a batch. If all have ended, erase them and the batch, and return None."""
        return self._send(batch_calls.delete_batch(batch_id))

    def results_zip(
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
        self._send(call, attempt=functools.partial(self._try_download, Path(path)))
        return Path(path)

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

    def _listen(self, follower: EventFollower) -> Iterator[Any]:
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

    def _follow(self, follower: Follower[Followed]) -> Followed:
        while (answer := follower.ended(self._send(follower.call()))) is None:
            self._sleep(follower.pause())
        return answer

    def _send(
        self,
        call: Call[T],
        on_wait: OnWait | None = None,
        attempt: Callable[[Call[T]], T] | None = None,
    ) -> T:
        retries = self._retries if call.is_retried else NO_RETRIES
        retrying = Retrying(sleep=self._sleep, **retries.for_tenacity(on_wait))
        result: T = retrying(attempt or self._try, call)
        return result

    def _try(self, call: Call[T]) -> T:
        try:
            response = self._http.send(call.request(self._http, self._timeout))
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise unreachable(error, self.url) from error
        return call.result(response, self.url)

    def _try_download(self, path: Path, call: Call[T]) -> T:
        try:
            with closing(self._http.send(call.request(self._http, self._timeout), stream=True)) as response:
                if response.is_success:
                    with replacing(path) as file:
                        for block in response.iter_bytes():
                            file.write(block)
                else:
                    response.read()
                return call.result(response, self.url)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise unreachable(error, self.url) from error
