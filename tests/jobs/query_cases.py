"""Every verb and query of `shared.jobs` and `shared.webhooks`, as the service calls them."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from typing import Any

from shrutlekh_contract.deliveries import DeliveryStatus
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from shared import jobs, webhooks
from shared.clock import now
from shared.database import Database
from shared.files import FileStore
from shared.jobs import Batch, Job, JobStatus, Measurements, Selection, Waveform
from shared.webhooks import DeliverySelection, Outcome
from tests.shared.conftest import make_job, store_file
from transcript.words import Segment

# What a case may grow with.
FINISHED, QUEUED = "finished jobs", "queued jobs"
EVERYTHING = (FINISHED, QUEUED)

LEASE = timedelta(minutes=1)
OWNER = "worker"
TENANT = "tenant-1"
HOOK = "https://receiver.example/hook"
HOST = "receiver.example"
MEASURED = Measurements(4.0, 16_000, 1, 3.0, {"decode": 0.01})
SEGMENT = Segment(0.5, 3.5, "नमस्ते", 0.9, ())
WAVEFORM = Waveform(b"\x89PNG", {"data": []})
OUTCOME = Outcome(at=now(), seconds=0.1, status=200)


class Stage:
    """A full database and an empty file store, with what the cases need of them."""

    def __init__(self, database: Database, files: FileStore) -> None:
        self.database = database
        self.files = files
        self.some = uuid.UUID(int=500)  # a job that has succeeded
        self.batch = uuid.UUID(int=(0xB << 96))

    def read(self, query: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        with self.database.read() as session:
            return query(session, *arguments, **named)

    def write(self, verb: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        with self.database.write() as session:
            return verb(session, *arguments, **named)

    def job(self, **columns: object) -> Job:
        """Queue a job with a webhook before all others. Its file is stored."""
        job = make_job(options={"webhook_url": HOOK}, priority=0, **columns)
        store_file(self.files, job)
        self.write(jobs.submit, job)
        return job

    def claimed(self) -> Job:
        """Queue and claim a job."""
        self.job()
        job = self.write(jobs.claim, OWNER, LEASE)
        assert isinstance(job, Job)
        return job

    def delivery(self) -> uuid.UUID:
        """Claim a webhook and return its id."""
        self.write(webhooks.enqueue_job, job_id=self.some, tenant=TENANT, url=HOOK, status="succeeded")
        (claimed, *_) = self.write(webhooks.claim_due, OWNER, LEASE, {HOST: 1})
        return uuid.UUID(str(claimed.id))


@dataclass(frozen=True, slots=True)
class Case:
    """Something that the service does.

    Attributes:
        name: for the report.
        functions: of the two packages, that it calls.
        run: does it.
        grows_with: what its statements may read more of when there is more of it.
    """

    name: str
    functions: Sequence[object]
    run: Callable[[Stage], object]
    grows_with: Sequence[str]


CASES: list[Case] = []


def case(*functions: object, grows_with: Sequence[str] = ()) -> Callable[[Callable[[Stage], object]], None]:
    """Add a function to the cases."""

    def add(run: Callable[[Stage], object]) -> None:
        CASES.append(Case(run.__name__.strip("_"), functions, run, grows_with))

    return add


def reading(
    query: Callable[..., Any],
    *arguments: Any,
    name: str = "",
    grows_with: Sequence[str] = (),
    **named: Any,
) -> None:
    """Add a query to the cases. Callable arguments are called with the stage."""

    def run(stage: Stage) -> object:
        given = [argument(stage) if callable(argument) else argument for argument in arguments]
        return stage.read(query, *given, **named)

    CASES.append(Case(" ".join(filter(None, (query.__name__, name))), [query], run, grows_with))


def asking(
    query: Callable[..., Any], *arguments: Callable[[Stage], Any], grows_with: Sequence[str] = ()
) -> None:
    """Add a query that takes the database and not a session to the cases."""

    def run(stage: Stage) -> object:
        return query(stage.database, *(argument(stage) for argument in arguments))

    CASES.append(Case(query.__name__, [query], run, grows_with))


# The way of a job


@case(jobs.submit, jobs.submit_once, jobs.queue_position, jobs.queue_positions, grows_with=(QUEUED,))
def submit_one_and_ten(stage: Stage) -> None:
    def insert(session: Session, *new: Job) -> object:
        return jobs.queue_positions(session, jobs.submit_once(session, *new, look_first=False))

    stage.write(insert, make_job(client="client-1"))
    stage.write(insert, make_job(client="client-1", tenant=TENANT))
    stage.write(insert, *(make_job(client=f"client-{number % 5}") for number in range(10)))


@case(jobs.submit_once, jobs.holder_of)
def submit_with_a_key(stage: Stage) -> None:
    stage.write(jobs.submit_once, make_job(idempotency_key="new"))
    stage.write(jobs.submit_once, make_job(idempotency_key="new"))
    stage.read(jobs.holder_of, "", "new")


@case(jobs.twin_of)
def look_for_the_job_of_a_repeated_request(stage: Stage) -> None:
    stage.read(jobs.twin_of, make_job(tenant=""), now() - timedelta(seconds=60))


@case(jobs.claim, jobs.claim_group, jobs.jobs_held_by, jobs.find_job, jobs.count_segments)
def claim_a_job(stage: Stage) -> None:
    job = stage.write(jobs.claim, OWNER, LEASE)
    stage.write(jobs.claim_group, OWNER, LEASE, 2)
    stage.read(jobs.jobs_held_by, OWNER)
    stage.read(jobs.find_job, job.id)
    stage.read(jobs.count_segments, job.id)


@case(jobs.claim, jobs.claim_group, jobs.models_in_queue)
def claim_jobs_of_a_model(stage: Stage) -> None:
    """Behind all other jobs."""
    stage.write(jobs.submit, *(make_job(model="rare", priority=2) for _ in range(2)))
    assert "rare" in stage.read(jobs.models_in_queue)
    assert stage.write(jobs.claim, OWNER, LEASE, ["rare"]).model == "rare"
    assert len(stage.write(jobs.claim_group, OWNER, LEASE, 2, ["absent", "rare"])) == 1
    assert stage.write(jobs.claim, OWNER, LEASE, ["absent"]) is None


@case(jobs.renew, jobs.keep_leases, jobs.save_segments, jobs.drop_segments, jobs.succeed, jobs.book_audio)
def work_on_a_job(stage: Stage) -> None:
    def end(session: Session) -> None:
        jobs.succeed(
            session, job, owner=OWNER, measured=MEASURED, waveform=WAVEFORM, spectrogram=WAVEFORM.png
        )
        jobs.drop_segments(session, job.id, first=1)
        jobs.save_segments(session, job.id, [SEGMENT], first=1)

    job = stage.claimed()
    stage.write(jobs.save_segments, job.id, [SEGMENT], first=0)
    stage.write(jobs.renew, job.id, OWNER, LEASE, 0.5, 1)
    stage.write(jobs.keep_leases, OWNER, LEASE)
    stage.write(end)
    stage.write(jobs.book_audio, TENANT, 4.0, now())


@case(jobs.start_over)
def begin_an_attempt_again(stage: Stage) -> None:
    job = stage.claimed()
    stage.write(jobs.save_segments, job.id, [SEGMENT], first=0)
    stage.write(jobs.start_over, job, owner=OWNER, lease=LEASE, model_version="new")


@case(jobs.fail, jobs.release, jobs.hand_back, jobs.take_back, jobs.end_cancelled)
def end_an_attempt_otherwise(stage: Stage) -> None:
    stage.write(jobs.release, stage.claimed(), owner=OWNER)
    stage.write(jobs.hand_back, stage.claimed(), owner=OWNER, code="worker_error", message="Bang.")
    late = stage.write(jobs.claim, OWNER, -LEASE)
    stage.write(jobs.take_back, late, code="lease_expired", message="Silent.")
    stage.write(jobs.fail, stage.files, stage.claimed(), owner=OWNER, code="audio_empty", message="Empty.")
    stage.write(jobs.end_cancelled, stage.claimed(), owner=OWNER)


@case(jobs.cancel, jobs.retry, jobs.erase, jobs.cancel_or_erase, jobs.get_job)
def cancel_retry_erase(stage: Stage) -> None:
    job = stage.job()
    stage.write(jobs.cancel, job.id)
    stage.write(jobs.retry, stage.files, job.id, 3)
    jobs.cancel_or_erase(stage.database, stage.files, job.id)
    jobs.erase(stage.database, stage.files, job.id)
    jobs.cancel_or_erase(stage.database, stage.files, stage.claimed().id)


# Reading


def _some(stage: Stage) -> uuid.UUID:
    return stage.some


def _batch(stage: Stage) -> uuid.UUID:
    return stage.batch


@case(jobs.get_job, jobs.queue_position, grows_with=(QUEUED,))
def poll_a_queued_job(stage: Stage) -> None:
    def poll(session: Session, job_id: uuid.UUID) -> None:
        jobs.queue_position(session, jobs.get_job(session, job_id, TENANT))

    job = make_job(client="client-1", tenant=TENANT)
    stage.write(jobs.submit, job)
    stage.read(poll, job.id)


reading(jobs.get_job, _some)
asking(jobs.read_job, _some)
asking(jobs.read_segments, _some)
asking(jobs.read_waveform_png, _some)
asking(jobs.read_spectrogram_png, _some)
reading(jobs.segments_since, _some, 0)
reading(jobs.events_of, _some)
reading(jobs.waveform_peaks, _some)
reading(jobs.newest_event, _some)
asking(jobs.marks_of_jobs, lambda stage: [stage.some, uuid7()])
reading(jobs.news_of_job, _some, None, event=0, segments=0)


@case(jobs.news_of_jobs, grows_with=(QUEUED,))
def follow_some_jobs(stage: Stage) -> None:
    running, waiting = stage.claimed(), make_job(client="client-1")
    stage.write(jobs.save_segments, running.id, [SEGMENT], first=0)
    stage.write(jobs.renew, running.id, OWNER, LEASE, 0.5, 1)
    stage.write(jobs.submit, waiting)
    stage.read(jobs.news_of_jobs, [stage.some, running.id, waiting.id, uuid7()], None)


@case(jobs.page_of_jobs, grows_with=EVERYTHING)
def search_jobs_by_name(stage: Stage) -> None:
    stage.read(jobs.page_of_jobs, Selection(name="no such name"), limit=10)


@case(jobs.save_revision, jobs.read_revision, jobs.revisions_of, jobs.drop_revisions)
def correct_a_text(stage: Stage) -> None:
    for editor in ("", "shl_1", "shl_1"):
        stage.write(jobs.save_revision, stage.some, None, segments=[], editor=editor)
    jobs.read_revision(stage.database, stage.some, 2)
    stage.read(jobs.revisions_of, stage.some)
    stage.write(jobs.drop_revisions, stage.some)


@case(jobs.page_of_jobs)
def pages_of_jobs(stage: Stage) -> None:
    selections = [
        Selection(),
        Selection(tenant=TENANT),
        Selection(tenant=""),
        *(Selection(statuses=(status,)) for status in JobStatus),
        *(Selection(tenant=TENANT, statuses=(status,)) for status in JobStatus),
        Selection(batch_id=stage.batch),
        Selection(batch_id=stage.batch, statuses=(JobStatus.SUCCEEDED,)),
    ]
    for selection in selections:
        first = stage.read(jobs.page_of_jobs, selection, limit=10)
        if first.next_cursor is not None:
            stage.read(jobs.page_of_jobs, selection, limit=10, cursor=first.next_cursor)


# Batches


@case(jobs.submit_batch, jobs.batch_with_key, jobs.find_batch, jobs.get_batch)
def submit_a_batch(stage: Stage) -> None:
    batch = _new_batch()
    stage.write(jobs.submit_batch, batch, [make_job() for _ in range(3)])
    stage.read(jobs.batch_with_key, "", str(batch.idempotency_key))
    stage.read(jobs.find_batch, batch.id)
    stage.read(jobs.get_batch, batch.id)


@case(jobs.cancel_or_erase_batch, jobs.has_settled, jobs.settle_batches)
def end_a_batch(stage: Stage) -> None:
    batch = _new_batch()
    stage.write(jobs.submit_batch, batch, [make_job() for _ in range(3)])
    jobs.cancel_or_erase_batch(stage.database, stage.files, batch.id)
    stage.read(jobs.has_settled)
    stage.write(jobs.settle_batches, 100)
    jobs.cancel_or_erase_batch(stage.database, stage.files, batch.id)


@case(jobs.page_of_batches)
def pages_of_batches(stage: Stage) -> None:
    for tenant in (None, "", TENANT):
        first = stage.read(jobs.page_of_batches, tenant, limit=1)
        if first.next_cursor is not None:
            stage.read(jobs.page_of_batches, tenant, limit=1, cursor=first.next_cursor)


reading(jobs.jobs_of_batch, _batch, limit=50)
reading(jobs.progress_of, _batch)
asking(jobs.marks_of_batches, lambda stage: [stage.batch])
reading(jobs.counts_by_status, lambda stage: Selection(batch_id=stage.batch), name="of a batch")
reading(jobs.news_of_batch, _batch, event=0, seen=frozenset())
reading(jobs.count_ended, _batch, 2**31)


# What the sweeper does, and the courier of webhooks


@case(jobs.expired_jobs, jobs.count_expired, jobs.running_jobs, jobs.count_running)
def look_after_running_jobs(stage: Stage) -> None:
    stage.read(jobs.expired_jobs, 1000)
    stage.read(jobs.count_expired, timedelta(0))
    stage.read(jobs.running_jobs)
    stage.read(jobs.count_running)


@case(jobs.due_jobs, jobs.queued_files, grows_with=(QUEUED,))
def look_after_queued_jobs(stage: Stage) -> None:
    stage.read(jobs.due_jobs, 1000)
    list(islice(jobs.queued_files(stage.database, 500), 1000))


@case(jobs.erase_finished)
def erase_expired_jobs(stage: Stage) -> None:
    expired = Selection(before=now() - timedelta(days=3650))
    jobs.erase_finished(stage.database, stage.files, expired, 200)
    jobs.erase_finished(stage.database, stage.files, replace(expired, before=now()), 20)


@case(jobs.erase_empty_batches)
def erase_empty_batches(stage: Stage) -> None:
    stage.write(jobs.erase_empty_batches, 500)


@case(jobs.named_keys, jobs.statuses_of_kept)
def compare_files_with_jobs(stage: Stage) -> None:
    stage.read(jobs.named_keys, [stage.some.hex, *(uuid.uuid4().hex for _ in range(100))])
    stage.read(jobs.statuses_of_kept, [stage.some])


@case(jobs.kept_files)
def page_through_all_files(stage: Stage) -> None:
    list(islice(jobs.kept_files(stage.database, 500), 1000))


@case(
    webhooks.hosts_due,
    webhooks.enqueue_batch,
    webhooks.enqueue_job,
    webhooks.claim_due,
    webhooks.record,
    webhooks.renew_claims,
    webhooks.give_back,
    webhooks.count_pending,
    webhooks.deliver_again,
)
def deliver_webhooks(stage: Stage) -> None:
    stage.write(webhooks.enqueue_batch, batch_id=stage.batch, tenant=TENANT, url=HOOK)
    stage.read(webhooks.hosts_due, ["other.example"], 64)
    delivery = stage.delivery()
    stage.write(webhooks.renew_claims, OWNER, [delivery], LEASE)
    stage.write(webhooks.record, delivery, OWNER, OUTCOME)
    stage.write(webhooks.give_back, OWNER, [stage.delivery()])
    stage.read(webhooks.count_pending)
    stage.write(webhooks.deliver_again, delivery, None)


@case(webhooks.erase_old)
def erase_old_deliveries(stage: Stage) -> None:
    stage.write(webhooks.erase_old, now() - timedelta(days=30), 1000)
    stage.write(webhooks.erase_old, now(), 20)


@case(webhooks.page_of_deliveries)
def pages_of_deliveries(stage: Stage) -> None:
    selections = [
        DeliverySelection(),
        DeliverySelection(tenant=TENANT),
        DeliverySelection(job_id=stage.some),
        DeliverySelection(batch_id=stage.batch),
        *(DeliverySelection(status=status) for status in DeliveryStatus),
        *(DeliverySelection(tenant=TENANT, status=status) for status in DeliveryStatus),
    ]
    for selection in selections:
        first = stage.read(webhooks.page_of_deliveries, selection, limit=20)
        if first.next_cursor is not None:
            stage.read(webhooks.page_of_deliveries, selection, limit=20, cursor=first.next_cursor)


@case(webhooks.signing_secret, webhooks.rotate_secret, webhooks.valid_secrets)
def sign_webhooks(stage: Stage) -> None:
    stage.write(webhooks.signing_secret, TENANT)
    stage.write(webhooks.rotate_secret, TENANT)
    stage.write(webhooks.valid_secrets, TENANT)


# Limits, metrics, and what an operator asks for

reading(jobs.queue_length, grows_with=(QUEUED,))
reading(jobs.usage_of, TENANT, now(), grows_with=(QUEUED,))
reading(jobs.count_due, grows_with=(QUEUED,))
reading(jobs.queued_models, grows_with=(QUEUED,))
reading(jobs.count_finished, now() - timedelta(seconds=60))
reading(jobs.was_claimed_within, timedelta(0))
reading(jobs.given_up, now() - timedelta(seconds=60))
reading(jobs.counts_by_status, grows_with=EVERYTHING)
reading(jobs.counts_by_status, Selection(tenant=TENANT), grows_with=EVERYTHING, name="of a tenant")
reading(jobs.count_jobs, Selection(), grows_with=EVERYTHING)
reading(jobs.ids_of, Selection(statuses=(JobStatus.FAILED,)), grows_with=EVERYTHING)
reading(jobs.sizes_by_status, Selection(), grows_with=EVERYTHING)
reading(jobs.totals, now(), grows_with=EVERYTHING)


def _new_batch() -> Batch:
    return Batch(
        id=uuid7(),
        tenant="",
        name="new",
        jobs=3,
        digest="0" * 64,
        idempotency_key=uuid.uuid4().hex,
        skipped=[],
    )
