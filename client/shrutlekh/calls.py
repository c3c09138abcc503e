"""The calls of the HTTP API, each with its request and how to read its response."""

import time
import uuid
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple, TypedDict

import httpx
from shrutlekh_contract.options import NO_OPTIONS, RecognitionOptions, SubmissionOptions

from shrutlekh.answers import Job, JobPage, Readiness
from shrutlekh.exchange import Call
from shrutlekh.uploads import upload_of

LONG_POLL_SECONDS = 25.0
SHORTEST_POLL_SECONDS = 0.1

ASKED_FOR_ALWAYS = SubmissionOptions(transcript=True, waveform=True)

OnProgress = Callable[[Job], None]


class SubmitOptions(TypedDict, total=False):
    """Keyword arguments of a submission; :meth:`shrutlekh.ShrutlekhClient.submit` explains them."""

    name: str | None
    model: str | None
    transcript: bool | None
    waveform: bool | None
    priority: str | None
    client: str | None
    webhook_url: str | None
    recognition: RecognitionOptions
    idempotency_key: str | None


def submit(
    file: BinaryIO,
    *,
    name: str | None = None,
    model: str | None = None,
    transcript: bool | None = None,
    waveform: bool | None = None,
    priority: str | None = None,
    client: str | None = None,
    webhook_url: str | None = None,
    recognition: RecognitionOptions = NO_OPTIONS,
    idempotency_key: str | None = None,
) -> Call[Job]:
    """``POST /v1/jobs``. An argument overrides the option of its name in ``recognition``."""
    named = SubmissionOptions(
        model=model,
        transcript=transcript,
        waveform=waveform,
        priority=priority,
        client=client,
        webhook_url=webhook_url,
    )
    return Call(
        "POST",
        "/v1/jobs",
        _job,
        headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())},
        form=ASKED_FOR_ALWAYS.form() | recognition.form() | named.form(),
        file=upload_of(file, name),
    )


def job(job_id: str, wait: float | None = None) -> Call[Job]:
    """``GET /v1/jobs/{id}``, as a long poll of ``wait`` seconds."""
    params = _given(wait=None if wait is None else f"{wait:g}")
    return Call("GET", f"/v1/jobs/{job_id}", _job, params=params, held_seconds=wait or 0.0)


def jobs(status: str | None, limit: int, cursor: str | None, counts: bool) -> Call[JobPage]:
    """``GET /v1/jobs``."""
    params = _given(status=status, limit=str(limit), cursor=cursor, counts="true" if counts else None)
    return Call("GET", "/v1/jobs", lambda answer: JobPage.model_validate(answer.json()), params=params)


def transcript(job_id: str, numerals: str | None) -> Call[dict[str, Any]]:
    """``GET /v1/jobs/{id}/transcript`` as JSON."""
    params = {"format": "json", **_given(numerals=numerals)}
    return Call("GET", f"/v1/jobs/{job_id}/transcript", _document_with("text", "segments"), params=params)


def transcript_text(job_id: str, form: str, numerals: str | None) -> Call[str]:
    """``GET /v1/jobs/{id}/transcript`` as a text file."""
    params = {"format": form, **_given(numerals=numerals)}
    return Call("GET", f"/v1/jobs/{job_id}/transcript", lambda answer: answer.content.decode(), params=params)


def waveform_png(job_id: str) -> Call[bytes]:
    """``GET /v1/jobs/{id}/waveform.png``."""
    return Call("GET", f"/v1/jobs/{job_id}/waveform.png", lambda answer: answer.content)


def waveform_json(job_id: str) -> Call[dict[str, Any]]:
    """``GET /v1/jobs/{id}/waveform.json``."""
    return Call("GET", f"/v1/jobs/{job_id}/waveform.json", _document_with())


def delete(job_id: str) -> Call[Job | None]:
    """``DELETE /v1/jobs/{id}``; None if the job was erased."""
    return Call(
        "DELETE",
        f"/v1/jobs/{job_id}",
        lambda answer: None if answer.status_code == httpx.codes.NO_CONTENT else _job(answer),
    )


def retry(job_id: str) -> Call[Job]:
    """``POST /v1/jobs/{id}/retry``."""
    return Call("POST", f"/v1/jobs/{job_id}/retry", _job)


def models() -> Call[dict[str, Any]]:
    """``GET /v1/models``."""
    return Call("GET", "/v1/models", _document_with("default", "models"))


def ready() -> Call[Readiness]:
    """``GET /readyz``, once."""
    return Call(
        "GET",
        "/readyz",
        lambda answer: Readiness.model_validate(answer.json()),
        accept=frozenset({503}),
        is_retried=False,
    )


class Seen(NamedTuple):
    """An answer of a long poll: the job, or None if it has not changed."""

    job: Job | None
    etag: str | None


class Follower:
    """Builds and reads the long polls, of ``poll`` seconds each, that follow a job to its end."""

    def __init__(self, job_id: str, on_progress: OnProgress | None, poll: float) -> None:
        self._job_id = job_id
        self._on_progress = on_progress
        self._poll = poll
        self._etag: str | None = None
        self._asked = 0.0

    def call(self) -> Call[Seen]:
        """The next long poll."""
        self._asked = time.monotonic()
        return Call(
            "GET",
            f"/v1/jobs/{self._job_id}",
            _seen,
            params={"wait": f"{self._poll:g}"},
            headers={} if self._etag is None else {"If-None-Match": self._etag},
            accept=frozenset({httpx.codes.NOT_MODIFIED}),
            held_seconds=self._poll,
        )

    def ended(self, seen: Seen) -> Job | None:
        """The job if it has ended. Reports a change."""
        if seen.job is None:
            return None
        if self._on_progress is not None:
            self._on_progress(seen.job)
            self._etag = seen.etag
        return seen.job if seen.job.final else None

    def pause(self) -> float:
        """Return the seconds until the next poll, because a service may answer before the requested time."""
        return max(0.0, SHORTEST_POLL_SECONDS - (time.monotonic() - self._asked))


def _job(response: httpx.Response) -> Job:
    return Job.model_validate(response.json())


def _seen(response: httpx.Response) -> Seen:
    is_new = response.status_code != httpx.codes.NOT_MODIFIED
    return Seen(_job(response) if is_new else None, response.headers.get("ETag"))


def _document_with(*required: str) -> Callable[[httpx.Response], dict[str, Any]]:
    """Return a reader of a JSON object with these required fields."""

    def read(response: httpx.Response) -> dict[str, Any]:
        document = dict(response.json())
        for name in required:
            document[name]
        return document

    return read


def _given(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}
