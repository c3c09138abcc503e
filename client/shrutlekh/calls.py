"""The calls of the HTTP API, each with its request and how to read its response."""

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, BinaryIO, Generic, NamedTuple, Protocol, TypedDict, TypeVar, Unpack

import httpx
from shrutlekh_contract.options import NO_OPTIONS, RecognitionOptions, SubmissionOptions

from shrutlekh.answers import Job, JobPage, Readiness, Revision
from shrutlekh.exchange import Call
from shrutlekh.uploads import upload_of

LONG_POLL_SECONDS = 25.0
SHORTEST_POLL_SECONDS = 0.1

ASKED_FOR_ALWAYS = SubmissionOptions(transcript=True, waveform=True)

# Members of a word that a correction may have.
WORD = ("text", "start", "end", "confidence")

OnProgress = Callable[[Job], None]


class Follows(Protocol):
    """What can be waited for: a job or a batch."""

    @property
    def final(self) -> bool:
        """Whether it has ended."""


T = TypeVar("T", bound=Follows)


class FormOptions(TypedDict, total=False):
    """Keyword arguments of a submission that become fields of its form."""

    model: str | None
    transcript: bool | None
    waveform: bool | None
    spectrogram: bool | None
    priority: str | None
    client: str | None
    webhook_url: str | None
    recognition: RecognitionOptions


class SubmitOptions(FormOptions, total=False):
    """Keyword arguments of a submission; :meth:`shrutlekh.ShrutlekhClient.submit` explains them."""

    name: str | None
    idempotency_key: str | None


def submit(
    file: BinaryIO,
    *,
    name: str | None = None,
    idempotency_key: str | None = None,
    **options: Unpack[FormOptions],
) -> Call[Job]:
    """``POST /v1/jobs``."""
    return Call(
        "POST",
        "/v1/jobs",
        _job,
        headers=idempotent(idempotency_key),
        form=form_of(**options),
        files=[("file", upload_of(file, name))],
    )


def form_of(
    *,
    model: str | None = None,
    transcript: bool | None = None,
    waveform: bool | None = None,
    spectrogram: bool | None = None,
    priority: str | None = None,
    client: str | None = None,
    webhook_url: str | None = None,
    recognition: RecognitionOptions = NO_OPTIONS,
) -> dict[str, str]:
    """Return the fields of a submission. An argument overrides the option of its name in ``recognition``."""
    named = SubmissionOptions(
        model=model,
        transcript=transcript,
        waveform=waveform,
        spectrogram=spectrogram,
        priority=priority,
        client=client,
        webhook_url=webhook_url,
    )
    return ASKED_FOR_ALWAYS.form() | recognition.form() | named.form()


def idempotent(key: str | None) -> dict[str, str]:
    """Return the header that makes it safe to repeat a submission; a random key by default."""
    return {"Idempotency-Key": key or str(uuid.uuid4())}


def job(job_id: str, wait: float | None = None) -> Call[Job]:
    """``GET /v1/jobs/{id}``, as a long poll of ``wait`` seconds."""
    params = given(wait=None if wait is None else f"{wait:g}")
    return Call("GET", f"/v1/jobs/{job_id}", _job, params=params, held_seconds=wait or 0.0)


def jobs(
    status: str | None,
    limit: int,
    cursor: str | None,
    counts: bool,
    batch: str | None,
    name: str | None = None,
) -> Call[JobPage]:
    """``GET /v1/jobs``."""
    params = given(
        status=status,
        batch=batch,
        name=name,
        limit=str(limit),
        cursor=cursor,
        counts="true" if counts else None,
    )
    return Call("GET", "/v1/jobs", lambda answer: JobPage.model_validate(answer.json()), params=params)


def transcript(job_id: str, numerals: str | None, revision: str | None = None) -> Call[dict[str, Any]]:
    """``GET /v1/jobs/{id}/transcript`` as JSON."""
    params = {"format": "json", **given(numerals=numerals, revision=revision)}
    return Call("GET", f"/v1/jobs/{job_id}/transcript", _document_with("text", "segments"), params=params)


def transcript_text(job_id: str, form: str, numerals: str | None, revision: str | None = None) -> Call[str]:
    """``GET /v1/jobs/{id}/transcript`` as a text file."""
    params = {"format": form, **given(numerals=numerals, revision=revision)}
    return Call("GET", f"/v1/jobs/{job_id}/transcript", lambda answer: answer.content.decode(), params=params)


def correct(
    job_id: str, segments: Iterable[Mapping[str, Any]], begun_with: Revision | None
) -> Call[Revision]:
    """``PUT /v1/jobs/{id}/transcript``."""
    document = {"segments": [_corrected(segment) for segment in segments]}
    version = (begun_with.number, begun_with.saves) if begun_with else (0, 0)
    return Call(
        "PUT",
        f"/v1/jobs/{job_id}/transcript",
        lambda answer: Revision.model_validate(answer.json()),
        headers={"If-Match": '"{}.{}"'.format(*version)},
        json=document,
    )


def _corrected(segment: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the service takes of a segment of a transcript."""
    words = [{name: word[name] for name in WORD if name in word} for word in segment["words"]]
    return {
        "start": segment["start"],
        "end": segment["end"],
        "channel": segment.get("channel"),
        "words": words,
    }


def spectrogram_png(job_id: str) -> Call[bytes]:
    """``GET /v1/jobs/{id}/spectrogram.png``."""
    return Call("GET", f"/v1/jobs/{job_id}/spectrogram.png", lambda answer: answer.content)


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


class Seen(NamedTuple, Generic[T]):
    """An answer of a long poll: what is followed, or None if it has not changed."""

    answer: T | None
    etag: str | None


class Follower(Generic[T]):
    """Builds and reads the long polls, of ``poll`` seconds each, that follow a job or batch to its end.

    Args:
        path: where to poll.
        read: converts a response.
    """

    def __init__(
        self,
        path: str,
        read: Callable[[httpx.Response], T],
        on_progress: Callable[[T], None] | None,
        poll: float,
    ) -> None:
        self._path = path
        self._read = read
        self._on_progress = on_progress
        self._poll = poll
        self._etag: str | None = None
        self._asked = 0.0

    def call(self) -> Call[Seen[T]]:
        """The next long poll."""
        self._asked = time.monotonic()
        return Call(
            "GET",
            self._path,
            self._seen,
            params={"wait": f"{self._poll:g}"},
            headers={} if self._etag is None else {"If-None-Match": self._etag},
            accept=frozenset({httpx.codes.NOT_MODIFIED}),
            held_seconds=self._poll,
        )

    def ended(self, seen: Seen[T]) -> T | None:
        """The job or batch if it has ended. Reports a change."""
        if seen.answer is None:
            return None
        if self._on_progress is not None:
            self._on_progress(seen.answer)
            self._etag = seen.etag
        return seen.answer if seen.answer.final else None

    def pause(self) -> float:
        """Return the seconds until the next poll, because a service may answer before the requested time."""
        return max(0.0, SHORTEST_POLL_SECONDS - (time.monotonic() - self._asked))

    def _seen(self, response: httpx.Response) -> Seen[T]:
        is_new = response.status_code != httpx.codes.NOT_MODIFIED
        return Seen(self._read(response) if is_new else None, response.headers.get("ETag"))


def follow_job(job_id: str, on_progress: OnProgress | None, poll: float) -> Follower[Job]:
    """Make the follower of a job."""
    return Follower(f"/v1/jobs/{job_id}", _job, on_progress, poll)


def _job(response: httpx.Response) -> Job:
    return Job.model_validate(response.json())


def _document_with(*required: str) -> Callable[[httpx.Response], dict[str, Any]]:
    """Return a reader of a JSON object with these required fields."""

    def read(response: httpx.Response) -> dict[str, Any]:
        document = dict(response.json())
        for name in required:
            document[name]
        return document

    return read


def given(**values: str | None) -> dict[str, str]:
    """Return the parameters that are given."""
    return {name: value for name, value in values.items() if value is not None}
