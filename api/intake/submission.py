"""From a form to a queued job: the file is safe on disk, then the row exists, then the doorbell rings."""

import unicodedata
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, NamedTuple

import structlog
from anyio import CancelScope
from opentelemetry.trace import SpanKind
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.requests import Request
from uuid_utils.compat import uuid7

from api.http.schemas import ChannelsName, DecoderName, PriorityName, path_of
from api.intake.filenames import is_readable
from api.intake.hotwords import DEFAULT_WEIGHT, MAX_WEIGHT, hotwords_of
from api.intake.insertion import InsertInDoubt, Placed, find
from api.intake.uploads import Arrival, invalid_field, receive_form
from api.services import Services
from shared.errors import DecoderUnavailable, IdempotencyConflict
from shared.files import StoredFile
from shared.installed_models import decoders_of, find_model
from shared.jobs import Job, Priority, is_same_request
from shared.traces import traceparent, tracer
from transcript.transcript import Numerals

LONGEST_CLIENT = 64

log = structlog.get_logger(__name__)


def _client_name(text: str) -> str:
    name = unicodedata.normalize("NFC", text)
    if len(name) > LONGEST_CLIENT or not all(map(is_readable, name)):
        raise ValueError(f"at most {LONGEST_CLIENT} printable characters")
    return name


class JobOptions(BaseModel):
    """What a form asks for. The names of the fields are those of the form."""

    model_config = ConfigDict(frozen=True)

    model: str = ""
    transcript: bool = True
    waveform: bool = True
    priority: PriorityName = "normal"
    client: Annotated[str, AfterValidator(_client_name)] = ""
    decoder: DecoderName | None = None
    channels: ChannelsName = "mix"
    hotwords: Annotated[tuple[str, ...], BeforeValidator(hotwords_of)] = ()
    hotword_weight: Annotated[float, Field(ge=0, le=MAX_WEIGHT, allow_inf_nan=False)] | None = None
    numerals: Numerals = Numerals.SPOKEN

    @property
    def needs_beam(self) -> bool:
        """Whether words must be found by beam search."""
        return self.decoder == "beam" or bool(self.hotwords)


# How an answer is written is no matter of the job: only forms that answer with words ask for it.
OF_THE_ANSWER = frozenset({"numerals"})
ALL_OPTIONS = frozenset(JobOptions.model_fields) - OF_THE_ANSWER
NOTHING_FIXED: Mapping[str, bool] = MappingProxyType({})


class Submitted(NamedTuple):
    """A job that is in the database.

    Attributes:
        position: jobs before it; None if it is not queued any more.
        is_replay: it was there before, by the same idempotency key.
        options: what the form asked for.
    """

    job: Job
    position: int | None
    is_replay: bool
    options: JobOptions


async def submit_form(
    request: Request,
    services: Services,
    *,
    known: frozenset[str] = ALL_OPTIONS,
    fixed: Mapping[str, bool] = NOTHING_FIXED,
    key: str | None = None,
) -> Submitted:
    """Store the recording of the request's form and queue a job for it.

    Args:
        request: its body has not been read.
        services: the parts of the front end.
        known: options that the form may set.
        fixed: options that the route sets itself.
        key: idempotency key: with one that has its job already, that job is the answer.

    Raises:
        ServiceError: as :func:`api.intake.uploads.receive_form`; QueueFull, before the body is read;
            ModelNotInstalled; DecoderUnavailable; IdempotencyConflict; DatabaseUnavailable.
    """
    with tracer.start_as_current_span("submit", kind=SpanKind.PRODUCER) as span:
        submitted = await _submit(request, services, known, fixed, key)
        span.set_attributes(
            {
                "shrutlekh.job_id": str(submitted.job.id),
                "shrutlekh.bytes": submitted.job.file_bytes,
                "shrutlekh.replay": submitted.is_replay,
            }
        )
        return submitted


async def _submit(
    request: Request, services: Services, known: frozenset[str], fixed: Mapping[str, bool], key: str | None
) -> Submitted:
    max_bytes = services.settings.max_upload_bytes
    async with services.admission.place(key):
        arrival = Arrival(services.files, services.threads, max_bytes)
        async with receive_form(request, arrival, max_bytes=max_bytes, known=known) as form:
            options = _options_of(form.fields, fixed)
            model = options.model or services.settings.default_model
            # From here on nobody's impatience leaves a file without a job.
            with CancelScope(shield=True):
                stored = await services.threads.file(lambda: _store(services, form.file, model, options))
                job = Job(
                    id=uuid7(),
                    file_name=form.file.name,
                    file_key=stored.key,
                    file_bytes=stored.size,
                    file_sha256=stored.sha256,
                    model=model,
                    transcript=options.transcript,
                    waveform=options.waveform,
                    decoder=options.decoder,
                    channels=options.channels,
                    hotwords=list(options.hotwords) or None,
                    hotword_weight=_weight_of(options),
                    max_attempts=services.settings.max_attempts,
                    client=options.client or _address_of(request),
                    priority=Priority[options.priority.upper()],
                    idempotency_key=key,
                    traceparent=traceparent(),
                )
                submitted = await _insert(services, job, options)
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


def _options_of(fields: Mapping[str, str], fixed: Mapping[str, bool]) -> JobOptions:
    given = {
        name: value for name, value in fields.items() if value
    }  # pages send empty fields for "no choice"
    try:
        options = JobOptions.model_validate({**given, **fixed})
    except ValidationError as error:
        first = error.errors()[0]
        message = str(first["msg"]).removeprefix("Value error, ")  # that of our own validators
        raise invalid_field(str(first["loc"][0]), f"{message}.") from error
    if not (options.transcript or options.waveform):
        raise invalid_field("transcript", "Ask for a transcript, a waveform, or both.")
    if options.hotwords and options.decoder == "greedy":
        raise invalid_field(
            "hotwords", "The greedy decoder heeds none. Leave `decoder` out, or ask for beam."
        )
    if options.hotword_weight is not None and not options.hotwords:
        raise invalid_field("hotword_weight", "There are no hotwords to weigh.")
    return options


def _weight_of(options: JobOptions) -> float | None:
    if not options.hotwords:
        return None
    return DEFAULT_WEIGHT if options.hotword_weight is None else options.hotword_weight


def _address_of(request: Request) -> str:
    """The address that the connection comes from; nothing on a Unix socket."""
    return request.client.host[:LONGEST_CLIENT] if request.client else ""


def _store(services: Services, arrival: Arrival, model: str, options: JobOptions) -> StoredFile:
    """Put the recording in the store, if there is a model for it that can do what is asked."""
    folder = find_model(services.settings.models_dir, model)
    if options.needs_beam:
        _require_beam(folder)
    return arrival.commit()


def _require_beam(folder: Path) -> None:
    if "beam" not in decoders_of(folder):
        raise DecoderUnavailable(
            "Beam search and hot-words need a language model, and the model asked for has none. GET "
            "/v1/models lists the decoders of each."
        )


async def _insert(services: Services, job: Job, options: JobOptions) -> Submitted:
    """Write the job's row, or find the job that has its key. The file of a job without a row is deleted."""
    job_id, file_key = job.id, job.file_key
    try:
        placed = await services.inserts.add(job)
    except InsertInDoubt:
        in_doubt = await services.threads.read(lambda: find(services.database, job))
        if in_doubt is None:
            # The row may yet appear, so the file stays; the sweeper deletes it if it does not.
            log.warning("insert_in_doubt", job_id=str(job_id), file_key=file_key)
            raise
        placed = in_doubt
    except Exception:
        await services.threads.file(lambda: services.files.delete(file_key))
        raise
    if placed.job.id == job_id:
        return Submitted(placed.job, placed.position, is_replay=False, options=options)
    await services.threads.file(lambda: services.files.delete(file_key))
    return _replayed(placed, job, options)


def _replayed(placed: Placed, job: Job, options: JobOptions) -> Submitted:
    if not is_same_request(placed.job, job):
        raise IdempotencyConflict(
            "This Idempotency-Key was used for another recording or with other options. Choose a new one for "
            "each submission, and keep it for repetitions of that one.",
            extra={"id": str(placed.job.id), "job": path_of(placed.job.id)},
        )
    return Submitted(placed.job, placed.position, is_replay=True, options=options)
