"""Turn a form into a queued job: sync the file to disk, insert the row, then ring the doorbell."""

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, Protocol

import structlog
from anyio import CancelScope
from opentelemetry.trace import SpanKind
from shrutlekh_contract.declarations import Form
from shrutlekh_contract.options import SubmissionOptions, options_in
from starlette.requests import Request
from uuid_utils.compat import uuid7

from api.http.authentication import Caller
from api.http.paths import Paths
from api.intake.arrival import Arrival
from api.intake.form_options import require_supported, settled_options
from api.intake.insertion import InsertInDoubt, Placed, find, find_twin
from api.intake.uploads import receive_form
from api.services import Services
from shared.clock import now
from shared.errors import IdempotencyConflict
from shared.files import StoredFile
from shared.jobs import Job, columns_of, is_same_request
from shared.traces import traceparent, tracer

NOTHING_FIXED = SubmissionOptions()
# How far back a retried request looks for its job: time for pauses and uploads, and for as many waits.
RETRY_WINDOW = timedelta(hours=1)
MOST_WAITS = 3

log = structlog.get_logger(__name__)


class Submitted(NamedTuple):
    """The job of a submission, as stored in the database.

    Attributes:
        position: number of jobs before it; None if it is no longer queued.
        is_replay: whether the job existed before with the same idempotency key.
        options: options of the form, with defaults for the rest.
    """

    job: Job
    position: int | None
    is_replay: bool
    options: SubmissionOptions


class Dialect(Protocol):
    """The form of another API: fields that it has besides our options, and what they mean."""

    names: frozenset[str]

    async def translate(self, fields: dict[str, str]) -> dict[str, str]:
        """Return the fields of our form for the fields that were sent.

        Raises:
            InvalidRequest: a field has an invalid value.
        """


@dataclass(frozen=True, slots=True)
class _Intent:
    """The arguments of :func:`submit_form` besides the request."""

    form: Form
    fixed: SubmissionOptions
    key: str | None
    dialect: Dialect | None
    is_retry: bool

    @property
    def known(self) -> frozenset[str]:
        """Names of the text fields that the form may have."""
        return frozenset(options_in(self.form)) | (self.dialect.names if self.dialect else frozenset())

    @property
    def looks_back(self) -> bool:
        """Whether an earlier job may be the request's, although no key says so."""
        return self.is_retry and self.key is None


async def submit_form(
    request: Request,
    services: Services,
    caller: Caller,
    *,
    form: Form = Form.JOB,
    fixed: SubmissionOptions = NOTHING_FIXED,
    key: str | None = None,
    dialect: Dialect | None = None,
    is_retry: bool = False,
) -> Submitted:
    """Store the recording of the request's form and queue a job for it.

    Args:
        request: the request, with its body not yet read.
        services: the services of the application.
        caller: who submits.
        form: the form, which decides the options that the request may set.
        fixed: options that the route sets itself.
        key: idempotency key. If it already has a job, that job is returned.
        dialect: the form of another API that the request is in.
        is_retry: whether the client repeats a request whose answer it did not get or like. If it has no key,
            a recent job of the same client with the same recording and options is returned.

    Raises:
        ServiceError: see :func:`api.intake.uploads.receive_form`; also QueueFull and QuotaExceeded,
            before the body is read, ModelNotInstalled, ModelBroken, DecoderUnavailable, WebhookRefused,
            IdempotencyConflict and DatabaseUnavailable.
    """
    with tracer.start_as_current_span("submit", kind=SpanKind.PRODUCER) as span:
        intent = _Intent(form, fixed, key, dialect, is_retry)
        submitted = await _submit(request, services, caller, intent)
        span.set_attributes(
            {
                "shrutlekh.job_id": str(submitted.job.id),
                "shrutlekh.bytes": submitted.job.file_bytes,
                "shrutlekh.replay": submitted.is_replay,
            }
        )
        return submitted


async def _submit(request: Request, services: Services, caller: Caller, intent: _Intent) -> Submitted:
    key = intent.key
    async with services.admission.place(caller.tenant, key, limits=caller.limits):
        arrival = Arrival(services.files, services.threads, services.settings.max_upload_bytes)
        async with receive_form(request, arrival, known=intent.known) as fields:
            if intent.dialect is not None:
                fields = await intent.dialect.translate(fields)
            options = settled_options(request, services, caller, fields | intent.fixed.form())
            # Shielded, so that a client that disconnects does not leave a file without a job.
            with CancelScope(shield=True):
                stored = await services.threads.file(lambda: _store(services, arrival, options))
                job = Job(
                    id=uuid7(),
                    tenant=caller.tenant,
                    file_name=arrival.name,
                    file_key=stored.key,
                    file_bytes=stored.size,
                    file_sha256=stored.sha256,
                    max_attempts=services.settings.max_attempts,
                    idempotency_key=key,
                    traceparent=traceparent(),
                    **columns_of(options),
                )
                earlier = await _find_retried(services, job, options) if intent.looks_back else None
                submitted = earlier or await _insert(services, Paths.of(request.scope), job, options)
    if not submitted.is_replay:
        services.doorbell.ring(submitted.job.model, submitted.job.id)
        services.metrics.submitted.inc()
        services.metrics.received.inc(stored.size)
    log.info(
        "job_submitted",
        job_id=str(submitted.job.id),
        bytes=stored.size,
        model=options.model,
        replay=submitted.is_replay,
    )
    return submitted


def _store(services: Services, arrival: Arrival, options: SubmissionOptions) -> StoredFile:
    """Put the recording in the store, provided that the model is installed and supports the options."""
    require_supported(services, options)
    return arrival.commit()


async def _find_retried(services: Services, job: Job, options: SubmissionOptions) -> Submitted | None:
    """Find the job of the request that this one repeats. If there is one, the new file is deleted."""
    window = RETRY_WINDOW + timedelta(seconds=MOST_WAITS * services.settings.simple_wait_seconds)
    placed = await services.threads.read(lambda: find_twin(services.database, job, now() - window))
    if placed is None:
        return None
    file_key = job.file_key
    await services.threads.file(lambda: services.files.discard(file_key))
    return Submitted(placed.job, placed.position, is_replay=True, options=options)


async def _insert(services: Services, paths: Paths, job: Job, options: SubmissionOptions) -> Submitted:
    """Insert the job, or find the job with its key. If the job gets no row, its file is deleted."""
    job_id, file_key = job.id, job.file_key
    try:
        placed = await services.inserts.add(job)
    except InsertInDoubt:
        in_doubt = await services.threads.read(lambda: find(services.database, job))
        if in_doubt is None:
            # The row may still appear, so keep the file. If it does not, the sweeper deletes the file.
            log.warning("insert_in_doubt", job_id=str(job_id), file_key=file_key)
            raise
        placed = in_doubt
    except Exception:
        await services.threads.file(lambda: services.files.discard(file_key))
        raise
    if placed.job.id == job_id:
        return Submitted(placed.job, placed.position, is_replay=False, options=options)
    await services.threads.file(lambda: services.files.discard(file_key))
    return _replayed(placed, paths, job, options)


def _replayed(placed: Placed, paths: Paths, job: Job, options: SubmissionOptions) -> Submitted:
    if not is_same_request(placed.job, job):
        raise IdempotencyConflict(
            "This Idempotency-Key was used for another recording or other options. Use a new key for each "
            "submission, and the same key to repeat that submission.",
            extra={"id": str(placed.job.id), "job": paths.job(placed.job.id)},
        )
    return Submitted(placed.job, placed.position, is_replay=True, options=options)
