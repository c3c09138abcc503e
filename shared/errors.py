"""Errors that users see: a stable ``code``, a sentence that says what to do, an HTTP status.

The docstring of each class is its description in the OpenAPI document.
"""

from typing import Any


class ServiceError(Exception):
    """Base of all errors with a code.

    ``code`` is part of the API contract and never changes; ``message`` is written for people. The members of
    ``extra`` are added to the problem document, and ``headers`` to the response.
    """

    code = "internal_error"
    status = 500
    title = "Something went wrong on the server"

    def __init__(
        self, message: str, *, headers: dict[str, str] | None = None, extra: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.headers = headers or {}
        self.extra = extra or {}


class InvalidRequest(ServiceError):
    """A field is missing, malformed or out of range."""

    code = "invalid_request"
    status = 422
    title = "The request is not valid"


class KeyMissing(ServiceError):
    """The service requires an API key, and the request has none."""

    code = "key_missing"
    status = 401
    title = "Send an API key"


class KeyInvalid(ServiceError):
    """There is no such API key, or it is revoked or has expired."""

    code = "key_invalid"
    status = 401
    title = "The API key is not valid"


class ScopeMissing(ServiceError):
    """The API key may not be used for this."""

    code = "scope_missing"
    status = 403
    title = "The API key lacks a scope"


class RateLimited(ServiceError):
    """The API key sends more requests than it may in a minute."""

    code = "rate_limited"
    status = 429
    title = "Too many requests"


class QuotaExceeded(ServiceError):
    """The tenant of the API key has as many jobs waiting, or as much audio transcribed today, as it may."""

    code = "quota_exceeded"
    status = 429
    title = "The quota is used up"


class JobNotFound(ServiceError):
    """No job has this id. It may have been erased."""

    code = "job_not_found"
    status = 404
    title = "Job not found"


class BatchNotFound(ServiceError):
    """No batch has this id. It may have been erased."""

    code = "batch_not_found"
    status = 404
    title = "Batch not found"


class BatchNotFinished(ServiceError):
    """The results of a batch were requested before all of its jobs have ended."""

    code = "batch_not_finished"
    status = 409
    title = "The batch has not finished"


class BatchEmpty(ServiceError):
    """The batch has no recording: the form has no file, or the archive holds none."""

    code = "batch_empty"
    status = 422
    title = "The batch has no recording"


class BatchTooLarge(ServiceError):
    """The batch has too many recordings or bytes."""

    code = "batch_too_large"
    status = 413
    title = "The batch is too large"


class ArchiveInvalid(ServiceError):
    """The archive is not a zip file, or is damaged, truncated or contradicts itself."""

    code = "archive_invalid"
    status = 422
    title = "The archive cannot be read"


class MemberRefused(ServiceError):
    """A file of the batch is refused, and with it the batch. ``member`` is its name, ``reason`` the kind."""

    code = "member_refused"
    status = 422
    title = "A file of the batch is refused"


class JobNotFinished(ServiceError):
    """The result was requested before the job finished."""

    code = "job_not_finished"
    status = 409
    title = "The job has not finished"


class JobHasNoResult(ServiceError):
    """The job has no result, because it failed or was cancelled."""

    code = "job_has_no_result"
    status = 409
    title = "The job ended without a result"


class TranscriptNotMade(ServiceError):
    """The job was submitted with ``transcript=false``."""

    code = "transcript_not_made"
    status = 404
    title = "The job was submitted without a transcript"


class SpectrogramNotMade(ServiceError):
    """The job was submitted without `spectrogram=true`."""

    code = "spectrogram_not_made"
    status = 404
    title = "The job has no spectrogram"


class WaveformNotMade(ServiceError):
    """The job was submitted with ``waveform=false``."""

    code = "waveform_not_made"
    status = 404
    title = "The job was submitted without a waveform"


class IllegalTransition(ServiceError):
    """The job's state does not allow this operation, or another process changed it at the same time."""

    code = "illegal_transition"
    status = 409
    title = "The job's state does not allow this"


class IdempotencyConflict(ServiceError):
    """The idempotency key was already used for a different recording or different options."""

    code = "idempotency_conflict"
    status = 409
    title = "The Idempotency-Key was used for a different submission"


class RecordingGone(ServiceError):
    """The recording is no longer stored, so it can neither be sent nor transcribed again."""

    code = "recording_gone"
    status = 409
    title = "The recording is no longer stored"


class RevisionConflict(ServiceError):
    """Somebody else has saved a text since the one that `If-Match` names."""

    code = "revision_conflict"
    status = 412
    title = "The text has changed meanwhile"


class RevisionNotFound(ServiceError):
    """The text has no revision of this number, or not any more."""

    code = "revision_not_found"
    status = 404
    title = "There is no such revision"


class RangeNotSatisfiable(ServiceError):
    """The recording is shorter than the beginning of the range that was asked for."""

    code = "range_not_satisfiable"
    status = 416
    title = "The recording has no such range"


class TicketInvalid(ServiceError):
    """The ticket has expired, or is for another recording."""

    code = "ticket_invalid"
    status = 401
    title = "The ticket is not valid"


class TicketsUnavailable(ServiceError):
    """Redis, which keeps the tickets, does not answer."""

    code = "tickets_unavailable"
    status = 503
    title = "No ticket can be issued or checked now"


class QueueFull(ServiceError):
    """The queue has reached the length that the operator allows."""

    code = "queue_full"
    status = 429
    title = "The queue is full"


class UploadTooLarge(ServiceError):
    """The upload exceeds the size limit."""

    code = "upload_too_large"
    status = 413
    title = "The recording is too large"


class UploadStalled(ServiceError):
    """The upload paused for so long that its partial file was removed as an abandoned one."""

    code = "upload_stalled"
    status = 408
    title = "The upload paused for too long"


class NotMultipart(ServiceError):
    """The body is not ``multipart/form-data``."""

    code = "unsupported_media_type"
    status = 415
    title = "Send the recording as multipart/form-data"


class ModelNotInstalled(ServiceError):
    """The requested model is not installed."""

    code = "model_not_found"
    status = 422
    title = "Model not found"


class ModelBroken(ServiceError):
    """The requested model is installed, but cannot be used: its folder is damaged or of an unknown family."""

    code = "model_broken"
    status = 422
    title = "The model is broken"


class DecoderUnavailable(ServiceError):
    """Beam search, or hot-words, which need it, were requested of a model without a language model."""

    code = "decoder_unavailable"
    status = 422
    title = "The model does not support this decoder"


class WebhookRefused(ServiceError):
    """Webhooks are switched off, or may not go to this URL: its host is not public, or its port reserved."""

    code = "webhook_refused"
    status = 422
    title = "Webhooks may not go to this URL"


class DeliveryNotFound(ServiceError):
    """No delivery of a webhook has this id. Its log entry may have expired."""

    code = "delivery_not_found"
    status = 404
    title = "Delivery not found"


class JobFailed(ServiceError):
    """The job failed while a simple form waited for it. The failure's ``code`` decides the status."""

    status = 422
    title = "The recording could not be transcribed"

    def __init__(self, code: str, message: str, *, extra: dict[str, Any]) -> None:
        super().__init__(message, extra=extra)
        self.code = code
        self.status = 422 if code in PERMANENT_JOB_ERRORS else 500


class StillRunning(ServiceError):
    """A simple form stopped waiting for its job. The job continues and can be polled."""

    code = "still_running"
    status = 504
    title = "The job takes longer than this request may wait"


class DatabaseUnavailable(ServiceError):
    """The database does not answer."""

    code = "database_unavailable"
    status = 503
    title = "The database does not answer"


class StorageFull(ServiceError):
    """The disk that stores the recordings is full."""

    code = "storage_full"
    status = 507
    title = "The server's disk is full"


class StorageUnavailable(ServiceError):
    """The storage of the recordings does not answer, or refuses access."""

    code = "storage_unavailable"
    status = 503
    title = "The storage of the recordings does not answer"


class DatabaseFull(DatabaseUnavailable):
    """The database's disk is full: reads work, writes do not."""

    code = StorageFull.code
    status = StorageFull.status
    title = StorageFull.title


# Faults of the recording. The same bytes would fail again, so the stored file is deleted.
AUDIO_IMPERFECT = "audio_imperfect"
RECORDING_ERRORS = frozenset({"audio_unreadable", "audio_unsupported", "audio_too_long", AUDIO_IMPERFECT})
# Faults of the recording or the request: the job is not retried.
PERMANENT_JOB_ERRORS = RECORDING_ERRORS | {"model_not_found", "model_invalid", "hotwords_unsupported"}
# Faults of the machine: the job is retried.
ATTEMPTS_EXHAUSTED = "attempts_exhausted"
LEASE_EXPIRED = "lease_expired"
WORKER_ERROR = "worker_error"
ATTEMPT_TIMED_OUT = "attempt_timed_out"
MEMORY_EXHAUSTED = "memory_exhausted"
FILE_MISSING = "file_missing"
FILE_DAMAGED = "file_damaged"
