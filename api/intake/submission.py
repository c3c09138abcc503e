"""Turn a form into a queued job: sync the file to disk, insert the row, then ring the doorbell."""

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import structlog
from anyio import CancelScope
from opentelemetry.trace import SpanKind
from shrutlekh_contract.declarations import Form, OptionError
from shrutlekh_contract.decoders import BEAM, decoders_of
from shrutlekh_contract.options import LONGEST_CLIENT, SubmissionOptions, declared, options_in
from starlette.requests import Request
from uuid_utils.compat import uuid7

from api.http.authentication import Caller
from api.http.paths import Paths
from api.intake.insertion import InsertInDoubt, Placed, find
from api.intake.uploads import Arrival, invalid_field, receive_form, unknown_field
from api.services import Services
from shared.destinations import Destination, Refused
from shared.errors import DecoderUnavailable, IdempotencyConflict, WebhookRefused
from shared.files import StoredFile
from shared.installed_models import find_model
from shared.jobs import Job, columns_of, is_same_request
from shared.traces import traceparent, tracer

NOTHING_FIXED = SubmissionOptions()

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


async def submit_form(
    request: Request,
    services: Services,
    caller: Caller,
    *,
    form: Form = Form.JOB,
    fixed: SubmissionOptions = NOTHING_FIXED,
    key: str | None = None,
) -> Submitted:
    """Store the recording of the request's form and queue a job for it.

    Args:
        request: the request, with its body not yet read.
        services: the services of the application.
        caller: who submits.
        form: the form, which decides the options that the request may set.
        fixed: options that the route sets itself.
        key: idempotency key. If it already has a job, that job is returned.

    Raises:
        ServiceError: see :func:`api.intake.uploads.receive_form`; also QueueFull, before the body is read,
            ModelNotInstalled, DecoderUnavailable, WebhookRefused, IdempotencyConflict and
            DatabaseUnavailable.
    """
    with tracer.start_as_current_span("submit", kind=SpanKind.PRODUCER) as span:
        submitted = await _submit(request, services, caller, form, fixed, key)
        span.set_attributes(
            {
                "shrutlekh.job_id": str(submitted.job.id),
                "shrutlekh.bytes": submitted.job.file_bytes,
                "shrutlekh.replay": submitted.is_replay,
            }
        )
        return submitted


async def _submit(
    request: Request,
    services: Services,
    caller: Caller,
    form: Form,
    fixed: SubmissionOptions,
    key: str | None,
) -> Submitted:
    max_bytes = services.settings.max_upload_bytes
    known = frozenset(options_in(form))
    _refuse_in_query(request, known)
    async with services.admission.place(caller.tenant, key):
        arrival = Arrival(services.files, services.threads, max_bytes)
        async with receive_form(request, arrival, max_bytes=max_bytes, known=known) as received:
            options = _options_of(received.fields | fixed.form())
            refuse_webhook(services, options)
            model = options.model or services.settings.default_model
            client = options.client or caller.name or _address_of(request)
            options = replace(options, model=model, client=client).settled()
            # Shielded, so that a client that disconnects does not leave a file without a job.
            with CancelScope(shield=True):
                stored = await services.threads.file(lambda: _store(services, received.file, model, options))
                job = Job(
                    id=uuid7(),
                    tenant=caller.tenant,
                    file_name=received.file.name,
                    file_key=stored.key,
                    file_bytes=stored.size,
                    file_sha256=stored.sha256,
                    max_attempts=services.settings.max_attempts,
                    idempotency_key=key,
                    traceparent=traceparent(),
                    **columns_of(options),
                )
                submitted = await _insert(services, Paths.of(request.scope), job, options)
    if not submitted.is_replay:
        services.doorbell.ring(submitted.job.id)
        services.metrics.submitted.inc()
        services.metrics.received.inc(stored.size)
    log.info(
        "job_submitted",
        job_id=str(submitted.job.id),
        bytes=stored.size,
        model=model,
        replay=submitted.is_replay,
    )
    return submitted


def _refuse_in_query(request: Request, known: frozenset[str]) -> None:
    """Refuse options in the URL: the form alone is read, and to ignore them would surprise."""
    for name in request.query_params:
        if name in known:
            raise invalid_field(name, "Send it as a field of the form, not in the URL.")
        if name in declared(SubmissionOptions):
            raise unknown_field(name, known)


def refuse_webhook(services: Services, options: SubmissionOptions) -> None:
    """Refuse a webhook that can't be delivered, as far as that is known without resolving its host.

    Raises:
        WebhookRefused: webhooks are switched off, or may not go to this URL.
    """
    if options.webhook_url is None:
        return
    if not services.settings.webhooks:
        raise WebhookRefused("This service sends no webhooks. Omit `webhook_url` and poll the job.")
    try:
        services.webhook_policy.check(Destination.parse(options.webhook_url))
    except Refused as error:
        raise WebhookRefused(str(error)) from error


def _options_of(fields: dict[str, str]) -> SubmissionOptions:
    try:
        return SubmissionOptions.of_form(fields)
    except OptionError as error:
        raise invalid_field(error.option, error.message) from error


def _address_of(request: Request) -> str:
    """Return the client's address; empty for a Unix socket, or if a proxy forwarded something else."""
    host = request.client.host if request.client else ""
    try:
        return str(ip_address(host))[:LONGEST_CLIENT]
    except ValueError:
        return ""


def _store(services: Services, arrival: Arrival, model: str, options: SubmissionOptions) -> StoredFile:
    """Put the recording in the store, provided that the model is installed and supports the options."""
    folder = find_model(services.settings.models_dir, model)
    if options.needs_beam:
        _require_beam(folder)
    return arrival.commit()


def _require_beam(folder: Path) -> None:
    if BEAM not in decoders_of(folder):
        raise DecoderUnavailable(
            "Beam search and hot-words need a language model, which the requested model lacks. "
            "GET /v1/models lists the decoders of each model."
        )


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
        await services.threads.file(lambda: services.files.delete(file_key))
        raise
    if placed.job.id == job_id:
        return Submitted(placed.job, placed.position, is_replay=False, options=options)
    await services.threads.file(lambda: services.files.delete(file_key))
    return _replayed(placed, paths, job, options)


def _replayed(placed: Placed, paths: Paths, job: Job, options: SubmissionOptions) -> Submitted:
    if not is_same_request(placed.job, job):
        raise IdempotencyConflict(
            "This Idempotency-Key was used for another recording or other options. Use a new key for each "
            "submission, and the same key to repeat that submission.",
            extra={"id": str(placed.job.id), "job": paths.job(placed.job.id)},
        )
    return Submitted(placed.job, placed.position, is_replay=True, options=options)
