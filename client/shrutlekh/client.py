"""A typed client of Shrutlekh's HTTP interface. One client may be used by several threads."""

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

import httpx
from shrutlekh_contract.options import SubmissionOptions

from shrutlekh.answers import Job, JobPage, Readiness
from shrutlekh.commands.recognition import NO_OPTIONS, Listening
from shrutlekh.errors import ApiError, NotShrutlekh, RecordingUnreadable, Unreachable
from shrutlekh.retries import NO_RETRIES, RETRYABLE_STATUS, Retries

LONG_POLL_SECONDS = 25.0
SHORTEST_POLL_SECONDS = 0.1

ASKED_FOR_ALWAYS = SubmissionOptions(transcript=True, waveform=True)

Source = str | os.PathLike[str] | BinaryIO
OnWait = Callable[[str, float], None]


class ShrutlekhClient:
    """Submits recordings to a service and fetches what becomes of them.

    Requests that meet a broken connection, 429, 503 or 507 are tried again within ``retries``. A submission
    carries a key that its repetitions share: one whose answer got lost is not submitted twice.

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
        retries: Retries | None = None,
        connections: int = 64,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._retries = retries or Retries()
        self._sleep = sleep
        try:
            self._http = httpx.Client(
                base_url=self.url,
                timeout=httpx.Timeout(timeout, connect=10.0, pool=None),
                limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
                transport=transport,
                headers={"User-Agent": "shrutlekh-client"},
                trust_env=not _is_loopback(self.url),  # a proxy for the outside has no business here
            )
        except httpx.InvalidURL as error:
            raise Unreachable(f"{url} is not a URL: {error}") from error

    def submit(
        self,
        source: Source,
        *,
        name: str | None = None,
        model: str | None = None,
        transcript: bool | None = None,
        waveform: bool | None = None,
        priority: str | None = None,
        client: str | None = None,
        listening: Listening = NO_OPTIONS,
        idempotency_key: str | None = None,
        on_wait: OnWait | None = None,
    ) -> Job:
        """Upload a recording, streamed from the disk in small blocks, and queue its job.

        Args:
            source: a path, or a seekable binary file, which is sent from its beginning.
            name: what the service calls the recording; by default the file's name without its folder.
            priority: "high", "normal" or "low"; by default the service's choice.
            client: who submits; clients take turns. By default the service goes by the address.
            listening: options of the recording; an argument of this method overrides the option of its
                name.
            idempotency_key: 1 to 255 visible ASCII characters; by default a random one. The service answers
                the same key and recording with the same job.
            on_wait: told, before each pause, why the recording is not taken yet and how many seconds the
                pause lasts.

        Raises:
            RecordingUnreadable: the file cannot be read, or became shorter while it was read.
        """
        named = SubmissionOptions(
            model=model, transcript=transcript, waveform=waveform, priority=priority, client=client
        )
        form = ASKED_FOR_ALWAYS.form() | listening.form() | named.form()
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        with _opened(source) as file:
            upload_name = _sendable(name or Path(str(getattr(file, "name", "recording"))).name)
            content = (upload_name, cast(BinaryIO, _Snapshot(file)), "application/octet-stream")

            def request() -> httpx.Request:  # reads the file from its beginning, each time
                return self._http.build_request(
                    "POST", "/v1/jobs", data=form, files={"file": content}, headers=headers
                )

            return self._job(self._send(request, on_wait=on_wait))

    def job(self, job_id: str, wait: float | None = None) -> Job:
        """A job as it is now, or with ``wait`` when it has ended or that many seconds are over."""
        return self._job(self._poll(job_id, wait))

    def wait_for(
        self, job_id: str, on_progress: Callable[[Job], None] | None = None, poll: float = LONG_POLL_SECONDS
    ) -> Job:
        """Wait until the job has ended, however long that takes, by long polls of ``poll`` seconds.

        ``on_progress`` is called with the job whenever it has changed.
        """
        etag = None
        while True:
            asked = time.monotonic()
            response = self._poll(job_id, poll, etag)
            if response.status_code != httpx.codes.NOT_MODIFIED:
                job = self._job(response)
                if on_progress is not None:
                    on_progress(job)
                    etag = response.headers.get("ETag")
                if job.final:
                    return job
            # A service need not wait as long as it is asked to.
            self._sleep(max(0.0, SHORTEST_POLL_SECONDS - (time.monotonic() - asked)))

    def jobs(self, *, status: str | None = None, limit: int = 50, cursor: str | None = None) -> JobPage:
        """A page of jobs, newest first."""
        query = {"status": status, "limit": limit, "cursor": cursor}
        params = {key: value for key, value in query.items() if value is not None}
        with self._shape():
            page = self._get("/v1/jobs", params=params).json()
            return JobPage(tuple(Job.from_json(job) for job in page["jobs"]), page.get("next_cursor"))

    def transcript(self, job_id: str, numerals: str | None = None) -> dict[str, Any]:
        """The transcript document of a job that succeeded.

        Args:
            numerals: numbers as they were "spoken", or in "latin" or "devanagari" digits.
        """
        with self._shape():
            document = self._get_transcript(job_id, "json", numerals).json()
            document["text"], document["segments"]
            return dict(document)

    def transcript_text(
        self,
        job_id: str,
        format: str = "txt",  # noqa: A002 - the API's word
        numerals: str | None = None,
    ) -> str:
        """The transcript as a text file: "txt", "srt", "vtt" or "tsv"; numerals as in :meth:`transcript`."""
        return self._get_transcript(job_id, format, numerals).content.decode("utf-8")

    def waveform_png(self, job_id: str) -> bytes:
        """The picture of the recording."""
        return self._get(f"/v1/jobs/{job_id}/waveform.png").content

    def waveform_json(self, job_id: str) -> dict[str, Any]:
        """The peaks of the recording in audiowaveform's JSON."""
        with self._shape():
            return dict(self._get(f"/v1/jobs/{job_id}/waveform.json").json())

    def delete(self, job_id: str) -> Job | None:
        """Cancel a job that has not ended; erase one that has, with its files, and return None."""
        response = self._send(lambda: self._http.build_request("DELETE", f"/v1/jobs/{job_id}"))
        return None if response.status_code == httpx.codes.NO_CONTENT else self._job(response)

    def retry(self, job_id: str) -> Job:
        """Queue a job again that failed or was cancelled."""
        return self._job(self._send(lambda: self._http.build_request("POST", f"/v1/jobs/{job_id}/retry")))

    def models(self) -> dict[str, Any]:
        """``{"default": name, "models": [...]}``."""
        with self._shape():
            document = self._get("/v1/models").json()
            document["default"], document["models"]
            return dict(document)

    def ready(self) -> Readiness:
        """Whether the service can transcribe now. Asked once only, whatever the answer."""
        request = self._http.build_request("GET", "/readyz")
        response = self._send(lambda: request, accept=(503,), retries=NO_RETRIES)
        with self._shape():
            document = response.json()
            return Readiness(document["status"] == "ready", document["checks"])

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _get(self, path: str, params: dict[str, Any] | None = None) -> httpx.Response:
        return self._send(lambda: self._http.build_request("GET", path, params=params))

    def _get_transcript(self, job_id: str, form: str, numerals: str | None) -> httpx.Response:
        params = {"format": form} | ({} if numerals is None else {"numerals": numerals})
        return self._get(f"/v1/jobs/{job_id}/transcript", params=params)

    def _poll(self, job_id: str, wait: float | None, etag: str | None = None) -> httpx.Response:
        params = {} if wait is None else {"wait": f"{wait:g}"}
        headers = {} if etag is None else {"If-None-Match": etag}
        timeout = httpx.Timeout(self._timeout + (wait or 0.0), connect=10.0, pool=None)
        return self._send(
            lambda: self._http.build_request(
                "GET", f"/v1/jobs/{job_id}", params=params, headers=headers, timeout=timeout
            ),
            accept=(304,),
        )

    def _send(
        self,
        request: Callable[[], httpx.Request],
        accept: tuple[int, ...] = (),
        retries: Retries | None = None,
        on_wait: OnWait | None = None,
    ) -> httpx.Response:
        """Send what ``request`` builds anew for each try; ``accept`` are answers besides 2xx to return."""
        retries = retries or self._retries
        tried = 0
        while True:
            tried += 1
            retry_after = None
            try:
                response = self._http.send(request())
            except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
                raise Unreachable(f"{self.url} is not a URL that begins with http:// or https://.") from error
            except httpx.TransportError as error:
                failure: ApiError | Unreachable = self._unreachable(error)
                failure.__cause__ = error
            else:
                if response.is_success or response.status_code in accept:
                    return response
                failure = _api_error(response)
                if response.status_code not in RETRYABLE_STATUS:
                    raise failure
                retry_after = _retry_after(response)
                is_full = response.status_code == httpx.codes.TOO_MANY_REQUESTS and retry_after is not None
                if is_full and retries.waits_for_room:
                    tried = 0
            if tried >= retries.attempts:
                raise failure
            pause = retries.delay(max(tried, 1), retry_after)
            if on_wait is not None:
                on_wait(failure.message, pause)
            self._sleep(pause)

    def _unreachable(self, error: httpx.TransportError) -> Unreachable:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return Unreachable(f"No Shrutlekh answers at {self.url}. Start one with `shrutlekh serve`.")
        return Unreachable(f"The connection to {self.url} broke ({type(error).__name__}).")

    def _job(self, response: httpx.Response) -> Job:
        with self._shape():
            return Job.from_json(response.json())

    @contextmanager
    def _shape(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NotShrutlekh(
                f"What answers at {self.url} is not Shrutlekh, or not of this version."
            ) from error


class _Snapshot:
    """A file at the length it had first: the request announces it, whatever else is written meanwhile."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)

    def read(self, size: int) -> bytes:
        left = self._size - self._file.tell()
        block = self._file.read(min(size, left))
        if left and not block:
            raise RecordingUnreadable("The file became shorter while it was uploaded.")
        return block

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset if whence == os.SEEK_SET else self._size)

    def tell(self) -> int:
        return self._file.tell()


@contextmanager
def _opened(source: Source) -> Iterator[BinaryIO]:
    if not isinstance(source, str | os.PathLike):
        yield source
        return
    try:
        with Path(source).open("rb") as file:
            yield file
    except OSError as error:
        raise RecordingUnreadable(f"The file cannot be read: {error.strerror or error}.") from error


def _sendable(name: str) -> str:
    """A file name may hold bytes that are no UTF-8; the form may not."""
    return os.fsencode(name).decode("utf-8", "replace")


def _is_loopback(url: str) -> bool:
    host = httpx.URL(url).host
    return host in {"localhost", "::1"} or host.startswith("127.")


def _retry_after(response: httpx.Response) -> float | None:
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):  # absent, or a date: then the own backoff does
        return None


def _api_error(response: httpx.Response) -> ApiError:
    status = response.status_code
    try:
        problem = response.json()
        message = str(problem.get("detail") or problem.get("title") or response.reason_phrase)
        return ApiError(str(problem.get("code") or f"http_{status}"), message, status)
    except (ValueError, AttributeError):
        return ApiError(f"http_{status}", f"The server answered {status} {response.reason_phrase}.", status)
