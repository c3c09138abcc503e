"""The calls of the HTTP API about batches, each with its request and how to read its response."""

from collections.abc import Callable, Iterable, Sequence
from typing import Unpack

import httpx

from shrutlekh.answers import Batch, BatchPage
from shrutlekh.calls import Follower, FormOptions, form_of, given, idempotent
from shrutlekh.exchange import Call
from shrutlekh.uploads import Part

# How long the service may extract an archive before it answers.
EXTRACTION_SECONDS = 600.0

OnBatchProgress = Callable[[Batch], None]


def submit_batch(
    files: Sequence[Part],
    *,
    name: str | None = None,
    idempotency_key: str | None = None,
    **options: Unpack[FormOptions],
) -> Call[Batch]:
    """``POST /v1/batches``."""
    return Call(
        "POST",
        "/v1/batches",
        _batch,
        headers=idempotent(idempotency_key),
        form=form_of(**options) | given(name=name),
        files=files,
        held_seconds=EXTRACTION_SECONDS,
    )


def batch(batch_id: str, wait: float | None) -> Call[Batch]:
    """``GET /v1/batches/{id}``, as a long poll of ``wait`` seconds."""
    params = given(wait=None if wait is None else f"{wait:g}")
    return Call("GET", f"/v1/batches/{batch_id}", _batch, params=params, held_seconds=wait or 0.0)


def batches(limit: int, cursor: str | None) -> Call[BatchPage]:
    """``GET /v1/batches``."""
    params = given(limit=str(limit), cursor=cursor)
    return Call("GET", "/v1/batches", lambda answer: BatchPage.model_validate(answer.json()), params=params)


def delete_batch(batch_id: str) -> Call[Batch | None]:
    """``DELETE /v1/batches/{id}``; None if the batch was erased."""
    return Call(
        "DELETE",
        f"/v1/batches/{batch_id}",
        lambda answer: None if answer.status_code == httpx.codes.NO_CONTENT else _batch(answer),
    )


def results_zip(
    batch_id: str, formats: Iterable[str], numerals: str | None, waveform: bool, partial: bool
) -> Call[None]:
    """``GET /v1/batches/{id}/results.zip``; its body is for the caller to stream."""
    params = given(
        format=",".join(formats),
        numerals=numerals,
        waveform="true" if waveform else None,
        partial="true" if partial else None,
    )
    return Call("GET", f"/v1/batches/{batch_id}/results.zip", lambda _answer: None, params=params)


def follow_batch(batch_id: str, on_progress: OnBatchProgress | None, poll: float) -> Follower[Batch]:
    """Make the follower of a batch."""
    return Follower(f"/v1/batches/{batch_id}", _batch, on_progress, poll)


def _batch(response: httpx.Response) -> Batch:
    return Batch.model_validate(response.json())
