"""Errors that a person gets to see: a stable ``code``, a sentence that says what to do, an HTTP status."""

from typing import Any


class ServiceError(Exception):
    """Base of all coded errors.

    ``code`` is part of the API contract and never changes; ``message`` is for people. ``extra`` joins the
    problem document, ``headers`` the response.
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


class JobNotFound(ServiceError):
    """No job has this id, or it was erased."""

    code = "job_not_found"
    status = 404
    title = "There is no such job"


class JobNotFinished(ServiceError):
    """The result was asked for before there is one."""

    code = "job_not_finished"
    status = 409
    title = "The job has not finished"


class JobHasNoResult(ServiceError):
    """The job ended without a result: it failed or was cancelled."""

    code = "job_has_no_result"
    status = 409
    title = "The job ended without a result"


class TranscriptNotMade(ServiceError):
    """The job was submitted with ``transcript=false``."""

    code = "transcript_not_made"
    status = 404
    title = "The job was asked for no transcript"


class WaveformNotMade(ServiceError):
    """The job was submitted with ``waveform=false``."""

    code = "waveform_not_made"
    status = 404
    title = "The job was asked for no picture"


class IllegalTransition(ServiceError):
    """The job is not in a state from which this event may happen (or another process was faster)."""

    code = "illegal_transition"
    status = 409
    title = "The job is in another state"


class IdempotencyConflict(ServiceError):
    """The idempotency key was used before, for another recording or other options."""

    code = "idempotency_conflict"
    status = 409
    title = "The Idempotency-Key was used for something else"


class RecordingGone(ServiceError):
    """The job can't run again, for its recording is no longer kept."""

    code = "recording_gone"
    status = 409
    title = "The recording is no longer there"


class QueueFull(ServiceError):
    """As many jobs wait as the operator allows."""

    code = "queue_full"
    status = 429
    title = "Too many jobs are waiting"


class UploadTooLarge(ServiceError):
    """The upload passed the size limit."""

    code = "upload_too_large"
    status = 413
    title = "The recording is too large"


class UploadStalled(ServiceError):
    """The upload paused for so long that what had arrived was taken for a crash's leftover and removed."""

    code = "upload_stalled"
    status = 408
    title = "The upload took too long a pause"


class NotMultipart(ServiceError):
    """The body is not ``multipart/form-data``."""

    code = "unsupported_media_type"
    status = 415
    title = "Send the recording as a form"


class ModelNotInstalled(ServiceError):
    """The job asks for a model that is not installed."""

    code = "model_not_found"
    status = 422
    title = "There is no such model"


class DecoderUnavailable(ServiceError):
    """The job asks for beam search, or for hot-words, which need it, of a model without a language model."""

    code = "decoder_unavailable"
    status = 422
    title = "The model has no such decoder"


class JobFailed(ServiceError):
    """A simple form waited for a job that failed; ``code`` is that of the failure, and decides the status."""

    status = 422
    title = "The recording could not be transcribed"

    def __init__(self, code: str, message: str, *, extra: dict[str, Any]) -> None:
        super().__init__(message, extra=extra)
        self.code = code
        self.status = 422 if code in PERMANENT_JOB_ERRORS else 500


class StillRunning(ServiceError):
    """A simple form gave up waiting; the job goes on and can be polled."""

    code = "still_running"
    status = 504
    title = "The transcription takes longer than this request may wait"


class DatabaseUnavailable(ServiceError):
    """The database does not answer."""

    code = "database_unavailable"
    status = 503
    title = "The database does not answer"


class StorageFull(ServiceError):
    """The disk of the file store is full."""

    code = "storage_full"
    status = 507
    title = "The server's disk is full"


class DatabaseFull(DatabaseUnavailable):
    """The disk of the database is full: it can be read, but nothing can be added."""

    code = StorageFull.code
    status = StorageFull.status
    title = StorageFull.title


# The recording's fault: the same bytes fail again, so they are not kept.
RECORDING_ERRORS = frozenset({"audio_unreadable", "audio_unsupported", "audio_too_long"})
# Not the machine's fault: the job is not tried again.
PERMANENT_JOB_ERRORS = RECORDING_ERRORS | {"model_not_found", "model_invalid", "hotwords_unsupported"}
# The machine's fault.
ATTEMPTS_EXHAUSTED = "attempts_exhausted"
LEASE_EXPIRED = "lease_expired"
WORKER_ERROR = "worker_error"
ATTEMPT_TIMED_OUT = "attempt_timed_out"
MEMORY_EXHAUSTED = "memory_exhausted"
FILE_MISSING = "file_missing"
