"""The lease on a running job: renewed with progress, partial results saved along with it, ended once."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import NoReturn

import structlog
from sqlalchemy.orm import Session

from shared import jobs
from shared.errors import DatabaseUnavailable, IllegalTransition, JobNotFound
from shared.jobs import TRANSITIONS, Event, Job, Measurements, Waveform
from transcript.words import Segment
from worker.outage import outlast
from worker.process import WorkerProcess
from worker.recording import Outcome, Step

log = structlog.get_logger(__name__)


class Cancelled(Exception):
    """The owner of the job asked to cancel it."""


class Released(Exception):
    """The worker stops; the job was given back."""


class Lease:
    """What a worker holds while it works on a job.

    Segments are kept in memory and saved at most every ``every`` seconds, together with the renewal: a short
    recording then costs no extra transaction. While the database is away the work goes on; a lease that runs
    out meanwhile is renewed all the same if nobody took the job.

    What ends it (:meth:`succeed`, :meth:`fail`, ...) returns True, or False when the lease was lost, and
    raises DatabaseUnavailable when the database stays away.
    """

    def __init__(self, process: WorkerProcess, job: Job, segments: int, every: float) -> None:
        """``job`` was just claimed; ``segments`` of it are in the database from attempts before."""
        assert job.lease_owner is not None
        self.owner: str = job.lease_owner
        self._process = process
        self._job = job
        self._every = every
        self._renewed = time.monotonic()
        self._progress = job.progress
        self._unsaved: list[Segment] = []
        self._saved = segments
        self._in_doubt = False

    def add(self, segment: Segment) -> None:
        """Take a finished segment."""
        self._unsaved.append(segment)

    def keep(self, step: Step) -> bool:
        """Renew the lease, with progress and partial results, if it is time to. True if it was renewed.

        Raises:
            Cancelled: the job shall not go on.
            Released: the worker stops, and the job was given back with all that was done.
            IllegalTransition: the lease was lost; somebody else has the job now.
        """
        if self._process.drain.over:
            self._give_back(step)
        if time.monotonic() - self._renewed < self._every:
            return False
        try:
            with self._saving() as session:
                go_on = self._renew(session, step)
        except DatabaseUnavailable:
            log.warning("database_unavailable")
            return False
        except IllegalTransition:
            log.warning("lease_lost")
            raise
        finally:
            self._renewed = time.monotonic()
        if not go_on:
            raise Cancelled
        return True

    def is_lost(self) -> bool:
        """Whether somebody else has the job. False also while the database is away."""
        try:
            with self._process.database.read() as session:
                found = jobs.find_job(session, self._job.id)
        except DatabaseUnavailable:
            return False
        return found is None or found.lease_owner != self.owner

    def succeed(self, outcome: Outcome) -> bool:
        """Save everything: the job is done."""

        def write(session: Session) -> None:
            measured = Measurements(
                audio_seconds=outcome.seconds,
                sample_rate=outcome.sample_rate,
                channels=outcome.channels,
                speech_seconds=outcome.speech_seconds,
                stage_seconds=outcome.stage_seconds,
            )
            waveform = None
            if outcome.png is not None and outcome.peaks is not None:
                waveform = Waveform(outcome.png, outcome.peaks)
            jobs.succeed(session, self._job, owner=self.owner, measured=measured, waveform=waveform)

        return self._end(Event.SUCCEEDED, write, saving=True)

    def fail(self, code: str, message: str) -> bool:
        """End the job for good. A recording that can never be read is not kept."""

        def write(session: Session) -> None:
            files = self._process.files
            jobs.fail(session, files, self._job, owner=self.owner, code=code, message=message)

        return self._end(Event.FAILED, write)

    def cancel(self) -> bool:
        """End the job as its owner asked."""

        def write(session: Session) -> None:
            jobs.end_cancelled(session, self._job, owner=self.owner)

        return self._end(Event.CANCELLED, write)

    def hand_back(self, code: str, message: str) -> bool:
        """End the attempt, through no fault of the recording. Segments not saved yet are dropped."""

        def write(session: Session) -> None:
            job = jobs.get_job(session, self._job.id)
            jobs.hand_back(session, job, owner=self.owner, code=code, message=message)

        return self._end(Event.REQUEUED, write)

    def release(self) -> bool:
        """Give the job back because the worker stops in the middle of a step."""
        return self._end(Event.RELEASED, self._release)

    def _give_back(self, step: Step) -> NoReturn:
        def write(session: Session) -> None:
            self._renew(session, step)
            self._release(session)

        if not self._end(Event.RELEASED, write, saving=True):
            raise IllegalTransition("The lease on the job was lost.")
        raise Released

    def _release(self, session: Session) -> None:
        jobs.release(session, jobs.get_job(session, self._job.id), owner=self.owner)

    def _end(self, event: Event, write: Callable[[Session], None], *, saving: bool = False) -> bool:
        def attempt(again: bool) -> bool:
            try:
                with self._saving() if saving else self._process.database.write() as session:
                    write(session)
            except (IllegalTransition, JobNotFound):
                if again and self._has_ended(event):
                    return True
                log.warning("lease_lost")
                return False
            return True

        seconds = self._process.settings.lease_seconds
        return outlast(attempt, seconds, lambda: self._process.drain.late)

    def _has_ended(self, event: Event) -> bool:
        """Whether a try whose answer was lost had taken effect."""
        with self._process.database.read() as session:
            found = jobs.find_job(session, self._job.id)
        if found is None or found.started_at != self._job.started_at:  # somebody has claimed it since
            return False
        return found.status is TRANSITIONS[event].target

    def _renew(self, session: Session, step: Step) -> bool:
        self._progress = max(self._progress, step.progress)  # an estimate may fall, what people see must not
        length = timedelta(seconds=self._process.settings.lease_seconds)
        return jobs.renew(session, self._job.id, self.owner, length, self._progress, step.chunks_done)

    @contextmanager
    def _saving(self) -> Iterator[Session]:
        """A transaction whose block first proves that the lease is held; the segments are written behind."""
        try:
            with self._process.database.write() as session:
                yield session
                if self._in_doubt:
                    jobs.drop_segments(session, self._job.id, first=self._saved)
                jobs.save_segments(session, self._job.id, self._unsaved, first=self._saved)
        except DatabaseUnavailable:
            self._in_doubt = True  # they may be there or not
            raise
        self._in_doubt = False
        self._saved += len(self._unsaved)
        self._unsaved.clear()
