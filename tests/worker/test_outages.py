"""A database that goes away in the middle of a job costs no work, whatever became of a COMMIT on its way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session

import worker.outage
import worker.transcribe
from shared.clock import now
from shared.database import Database
from shared.errors import DatabaseUnavailable
from shared.jobs.attempts import claim
from shared.jobs.tables import Job, JobStatus
from speech import Engine, Progress
from tests.speech.sounds import speak
from tests.worker.jobs import after, history, long_recording, recording, stored, transcript
from worker.lease import Lease, Renewal
from worker.process import WorkerProcess
from worker.transcribe import answer

SUCCESS = [("submitted", None), ("claimed", None), ("succeeded", None)]


class Outage:
    """Breaks off writing transactions of the worker: those whose number, counted from 1, is in ``numbers``.

    ``committed`` says whether the break comes behind the COMMIT or before it.
    """

    def __init__(self, patch: pytest.MonkeyPatch, numbers: Callable[[int], bool], committed: bool) -> None:
        self.writes = 0
        write = Database.write

        @contextmanager
        def broken(database: Database) -> Iterator[Session]:
            self.writes += 1
            away = numbers(self.writes)
            with write(database) as session:
                yield session
                if away and not committed:
                    raise DatabaseUnavailable("The connection was lost before the COMMIT.")
            if away:
                raise DatabaseUnavailable("The connection was lost before the answer to the COMMIT.")

        patch.setattr(Database, "write", broken)


@pytest.fixture
def often_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.transcribe, "SAVE_EVERY_SECONDS", 0.0)


@pytest.fixture(params=[True, False], ids=["after the commit", "before the commit"])
def committed(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def quiet(process: WorkerProcess, submit_file: Callable[..., Job]) -> list[tuple[Any, ...]]:
    """The transcript of the long recording without an outage."""
    job = submit_file(long_recording())
    answer(process)
    return transcript(process, job)


@pytest.mark.usefixtures("often_saved")
@pytest.mark.parametrize("every", [1, 2, 3])
def test_every_transaction_may_break_once(
    process: WorkerProcess,
    submit_file: Callable[..., Job],
    monkeypatch: pytest.MonkeyPatch,
    quiet: list[tuple[Any, ...]],
    committed: bool,
    every: int,
) -> None:
    """With ``every`` 1 the claim, the first renewals and the end break once each, then by twos and threes."""
    job = submit_file(long_recording())
    with monkeypatch.context() as patch:
        outage = Outage(patch, lambda number: number % (every + 1) == 1, committed)
        assert answer(process)
        assert outage.writes > 20
    assert history(process, job) == SUCCESS
    assert transcript(process, job) == quiet
    assert after(process, job).attempt == 1


@pytest.mark.parametrize("first", [1, 2])
def test_the_claim_and_the_end_are_tried_until_the_database_is_back(
    process: WorkerProcess,
    submit_file: Callable[..., Job],
    monkeypatch: pytest.MonkeyPatch,
    committed: bool,
    first: int,
) -> None:
    job = submit_file(recording(speak("नम")))
    with monkeypatch.context() as patch:
        Outage(patch, lambda number: first <= number < first + 3, committed)
        assert answer(process)
    assert history(process, job) == SUCCESS
    assert [segment[3] for segment in transcript(process, job)] == ["नम"]


@pytest.mark.parametrize(
    ("content", "columns", "end"),
    [
        (b"no audio", {}, ("failed", "audio_unreadable")),
        (recording(speak("न")), {"model": "gone"}, ("failed", "model_not_found")),
        (long_recording(), {"cancel_requested": True}, ("cancelled", None)),
    ],
    ids=["bad recording", "no model", "cancelled"],
)
@pytest.mark.usefixtures("often_saved")
def test_other_ends_are_tried_again_too(
    process: WorkerProcess,
    submit_file: Callable[..., Job],
    monkeypatch: pytest.MonkeyPatch,
    committed: bool,
    content: bytes,
    columns: dict[str, Any],
    end: tuple[str, str | None],
) -> None:
    job = submit_file(content, model=columns.get("model", "loudness"))
    if end[0] == "cancelled":
        with process.database.write() as session:
            session.execute(update(Job).where(Job.id == job.id).values(**columns))
    last = 3 if end[0] == "cancelled" else 2  # it is heard of at the first renewal
    with monkeypatch.context() as patch:
        Outage(patch, lambda number: last <= number < last + 2, committed)
        answer(process)
    assert history(process, job) == [("submitted", None), ("claimed", None), end]
    assert stored(process, job) == (end[1] != "audio_unreadable")


def test_an_attempt_is_handed_back_once(
    process: WorkerProcess, submit_file: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    def broken(*_: object, **choices: object) -> None:
        raise RuntimeError

    job = submit_file(recording(speak("न")))
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "transcribe", broken)
        Outage(patch, lambda number: 2 <= number < 4, committed)
        answer(process)
    assert history(process, job) == [("submitted", None), ("claimed", None), ("requeued", "worker_error")]


@pytest.mark.usefixtures("often_saved")
def test_a_lease_that_ran_out_in_an_outage_is_renewed_if_nobody_took_the_job(
    process: WorkerProcess, submit_file: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit_file(long_recording())
    keep = Lease.keep

    def run_out(lease: Lease, progress: Progress) -> Renewal:
        with process.database.write() as session:
            past = now() - timedelta(seconds=5)
            session.execute(update(Job).where(Job.id == job.id).values(lease_expires_at=past))
        return keep(lease, progress)

    monkeypatch.setattr(Lease, "keep", run_out)
    answer(process)
    assert history(process, job) == SUCCESS


def test_a_job_that_somebody_else_took_in_the_outage_is_left_alone(
    process: WorkerProcess, submit_file: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit_file(recording(speak("न")))
    succeed = Lease.succeed

    def too_late(lease: Lease, *outcome: Any) -> bool:
        with process.database.write() as session:
            changes = {"lease_owner": "another", "started_at": now(), "attempt": 2}
            session.execute(update(Job).where(Job.id == job.id).values(**changes))
        Outage(monkeypatch, lambda number: number == 1, committed=False)
        return succeed(lease, *outcome)

    monkeypatch.setattr(Lease, "succeed", too_late)
    assert answer(process)
    held = after(process, job)
    assert (held.status, held.lease_owner) == (JobStatus.RUNNING, "another")
    assert history(process, job) == SUCCESS[:2]


def test_a_database_that_stays_away_is_said_and_the_process_goes_on(
    process: WorkerProcess, submit_file: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.outage, "PATIENCE_SECONDS", 0.0)
    process = _with_settings(process, lease_seconds=0.5)
    job = submit_file(recording(speak("न")))
    with monkeypatch.context() as patch:
        Outage(patch, lambda number: number > 1, committed=False)
        with pytest.raises(DatabaseUnavailable):
            answer(process)
    assert after(process, job).status is JobStatus.RUNNING  # until its lease runs out
    other = submit_file(recording(speak("न")))
    answer(process)
    assert after(process, other).status is JobStatus.SUCCEEDED


def test_a_full_disk_is_an_outage(
    process: WorkerProcess, submit_file: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not process.database.is_sqlite:
        pytest.skip("SQLite's disk can be made full by a pragma")
    job = submit_file(long_recording())
    pauses: list[float] = []
    with process.database.read() as session:
        pages = session.scalar(text("PRAGMA page_count"))

    def limit(pages: int) -> None:
        with process.database.engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    def make_room(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            limit(2**30)

    succeed = Lease.succeed

    def fill(lease: Lease, *outcome: Any) -> bool:
        limit(pages)
        return succeed(lease, *outcome)

    monkeypatch.setattr(Lease, "succeed", fill)
    monkeypatch.setattr(worker.outage.time, "sleep", make_room)
    assert answer(process)
    assert len(pauses) == 3
    assert history(process, job) == SUCCESS


def test_a_claim_whose_answer_was_lost_is_not_taken_for_anothers(
    process: WorkerProcess, submit_file: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job of another worker stays with it."""
    foreign = submit_file(recording(speak("न")))
    with process.database.write() as session:
        claim(session, "another", timedelta(seconds=60))
    job = submit_file(recording(speak("न")))
    with monkeypatch.context() as patch:
        Outage(patch, lambda number: number == 1, committed=True)
        assert answer(process)
    assert after(process, job).status is JobStatus.SUCCEEDED
    assert after(process, foreign).lease_owner == "another"


def _with_settings(process: WorkerProcess, **changes: Any) -> WorkerProcess:
    return replace(process, settings=process.settings.model_copy(update=changes))
