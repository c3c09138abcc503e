"""Turn a form with many recordings, or an archive of them, into a batch of queued jobs: all or none."""

import hashlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import structlog
from anyio import CancelScope
from opentelemetry.trace import SpanKind
from shrutlekh_contract.declarations import Form
from shrutlekh_contract.options import SubmissionOptions, declared, options_in
from sqlalchemy.exc import IntegrityError
from starlette.requests import Request
from uuid_utils.compat import uuid7

from api.http.authentication import Caller
from api.http.invalid_fields import invalid_field
from api.http.paths import Paths
from api.intake.archives import Limits
from api.intake.batch_files import BatchFiles
from api.intake.filenames import LONGEST, readable
from api.intake.form_options import require_supported, settled_options
from api.intake.insertion import InsertInDoubt, inserting
from api.intake.uploads import receive_form
from api.services import Services
from shared.errors import BatchEmpty, IdempotencyConflict
from shared.jobs import (
    Batch,
    Job,
    batch_with_key,
    columns_of,
    find_batch,
    is_batch_key_taken,
    submit_batch,
)
from shared.traces import traceparent, tracer

NAME = "name"

log = structlog.get_logger(__name__)


class SubmittedBatch(NamedTuple):
    """A batch as stored, and whether it existed before with the same idempotency key."""

    batch: Batch
    is_replay: bool


async def submit_batch_form(
    request: Request, services: Services, caller: Caller, *, key: str | None = None
) -> SubmittedBatch:
    """Store the recordings of the request's form and queue a job for each.

    Args:
        request: the request, with its body not yet read.
        services: the services of the application.
        caller: who submits.
        key: idempotency key. If it already has a batch, that batch is returned.

    Raises:
        ServiceError: see :func:`api.intake.uploads.receive_form` and :mod:`api.intake.archives`; also
            QueueFull, ModelNotInstalled, ModelBroken, DecoderUnavailable, BatchEmpty, IdempotencyConflict and
            DatabaseUnavailable. Nothing is stored then.
    """
    with tracer.start_as_current_span("submit_batch", kind=SpanKind.PRODUCER) as span:
        submitted = await _submit(request, services, caller, key)
        span.set_attributes(
            {
                "shrutlekh.batch_id": str(submitted.batch.id),
                "shrutlekh.jobs": submitted.batch.jobs,
                "shrutlekh.replay": submitted.is_replay,
            }
        )
        return submitted


async def _submit(request: Request, services: Services, caller: Caller, key: str | None) -> SubmittedBatch:
    known = frozenset({*options_in(Form.JOB), NAME})
    limits = _limits_of(services)
    files = BatchFiles(
        services.files, services.threads, limits, orphan_seconds=services.settings.orphan_seconds
    )
    async with (
        services.admission.place(caller.tenant, key, limits=caller.limits),
        receive_form(request, files, known=known) as fields,
    ):
        name = _name_of(fields.pop(NAME, ""), files)
        options = settled_options(request, services, caller, fields)
        await services.threads.file(lambda: require_supported(services, options))
        batch = Batch(
            id=uuid7(),
            tenant=caller.tenant,
            name=name,
            digest=_digest(files, options),
            idempotency_key=key,
            options={name: options.json()[name] for name in options_in(Form.JOB)},
        )
        earlier = await services.threads.read(lambda: _find(services, batch)) if key else None
        if earlier is not None:
            return _replayed(earlier, batch, Paths.of(request.scope))
        if files.has_archive:
            await files.unpack(request.is_disconnected)
        if not files.recordings:
            raise BatchEmpty("The archive holds no recording.")
        batch.jobs, batch.skipped = len(files.recordings), files.skipped
        async with services.admission.place(caller.tenant, limits=caller.limits, places=batch.jobs - 1):
            # Shielded, so that a client that disconnects does not leave files without jobs.
            with CancelScope(shield=True):
                submitted = await _insert(services, files, batch, options, Paths.of(request.scope))
    return submitted


def _limits_of(services: Services) -> Limits:
    settings = services.settings
    # More jobs than the queue takes would be refused with 429 forever.
    recordings = min(settings.batch_limit, settings.queue_limit or settings.batch_limit)
    return Limits(recordings, settings.max_upload_bytes, settings.max_batch_bytes)


def _name_of(sent: str, files: BatchFiles) -> str:
    if len(sent) > LONGEST:
        raise invalid_field(NAME, f"At most {LONGEST} characters.")
    return readable(sent) or files.archive_name.removesuffix(".zip")


def _digest(files: BatchFiles, options: SubmissionOptions) -> str:
    """Return a digest that is equal for requests with the same files and options."""
    identifying = {
        name: value for name, value in options.json().items() if declared(SubmissionOptions)[name].identifies
    }
    text = json.dumps([files.digest, files.has_archive, identifying], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _find(services: Services, batch: Batch) -> Batch | None:
    """Find the stored row of ``batch``, or else the batch with its idempotency key."""
    with services.database.read() as session:
        found = find_batch(session, batch.id)
        if found is None and batch.idempotency_key is not None:
            found = batch_with_key(session, batch.tenant, batch.idempotency_key)
        return found


def _replayed(earlier: Batch, batch: Batch, paths: Paths) -> SubmittedBatch:
    if earlier.digest != batch.digest:
        raise IdempotencyConflict(
            "This Idempotency-Key was used for another batch or other options. Use a new key for each "
            "submission, and the same key to repeat that submission.",
            extra={"id": str(earlier.id), "batch": paths.batch(earlier.id)},
        )
    return SubmittedBatch(earlier, is_replay=True)


async def _insert(
    services: Services, files: BatchFiles, batch: Batch, options: SubmissionOptions, paths: Paths
) -> SubmittedBatch:
    batch_id = batch.id
    await services.threads.file(files.sync)
    jobs = _jobs_of(services, files, batch, options)
    try:
        job_ids = await services.threads.write(lambda: _store(services, batch, jobs))
    except IntegrityError as error:
        earlier = await services.threads.read(lambda: _find(services, batch))
        if earlier is None or not is_batch_key_taken(error):
            raise
        return _replayed(earlier, batch, paths)
    except InsertInDoubt:
        # The rows may be there, or still appear: keep the files. If they do not, the sweeper deletes them.
        files.keep()
        stored = await services.threads.read(lambda: _find(services, batch))
        if stored is None:
            log.warning("insert_in_doubt", batch_id=str(batch_id))
            raise
        batch, job_ids = stored, []
    files.keep()
    services.doorbell.ring(options.model or services.settings.default_model, *job_ids)
    size = sum(recording.file.size for recording in files.recordings)
    services.metrics.submitted.inc(batch.jobs)
    services.metrics.received.inc(size)
    log.info("batch_submitted", batch_id=str(batch_id), jobs=batch.jobs, bytes=size, model=options.model)
    return SubmittedBatch(batch, is_replay=False)


def _store(services: Services, batch: Batch, jobs: Iterator[Job]) -> list[uuid.UUID]:
    with inserting(services.database) as session:
        return submit_batch(session, batch, jobs)


def _jobs_of(
    services: Services, files: BatchFiles, batch: Batch, options: SubmissionOptions
) -> Iterator[Job]:
    """Make the jobs one by one: thousands of them would take much memory."""
    # The webhook tells of the batch: one for each of thousands of jobs would be no help.
    columns, trace = columns_of(replace(options, webhook_url=None)), traceparent()
    for stored, path in files.recordings:
        yield Job(
            id=uuid7(),
            tenant=batch.tenant,
            file_name=path.name,
            folder=path.folder,
            file_key=stored.key,
            file_bytes=stored.size,
            file_sha256=stored.sha256,
            max_attempts=services.settings.max_attempts,
            traceparent=trace,
            **columns,
        )
