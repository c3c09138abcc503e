"""The lease on a running job: renewed with progress, partial results saved along with it, ended once."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from enum import Enum, auto

import structlog
from shrutlekh_contract.audio_warnings import AudioWarning
from sqlalchemy.orm import Session

from shared import jobs
from shared.errors import DatabaseUnavailable, IllegalTransition, JobNotFound
from shared.jobs import TRANSITIONS, Event, Job, JobStatus, Measurements, Waveform
from speech import Progress
from transcript.words import Segment
from worker.group import Group
from worker.outage import outlast
from worker.process import WorkerProcess

log = structlog.get_logger(__name__)


class Renewal(Enum):
    """What came of `Lease.keep`."""

    PENDING = auto()  # not due yet, or the database is away: go on, nothing is lost
    RENEWED = auto()  # progress and segments are saved
    CANCELLED = auto()  # renewed for the last time: the client asked to cancel the job
    LOST = auto()  # another worker may have the job


class Lease:
    """A worker's time-limited right to a job.

    Segments are buffered and saved at most every ``every`` seconds, together with the renewal: a short
    recording then costs no extra transaction. While the database is away the work goes on. A lease that
    expires meanwhile is renewed all the same if no other worker claimed the job.

    The methods that end it (:meth:`succeed`, :meth:`fail`, :meth:`cancel`, :meth:`hand_back`,
    :meth:`release`) retry while the database is away. They return False when the lease was lost, and raise
    DatabaseUnavailable when the database stays away.
    """

    def __init__(self, process: WorkerProcess, job: Job, segments: int, every: float, group: Group) -> None:
        """
        Args:
            process: the worker that claimed the job.
            job: the job as it was claimed.
            segments: how many of its segments earlier attempts have saved.
            every: seconds between renewals.
            group: the jobs that were claimed with it, whose leases are renewed too.
        """
        assert job.lease_owner is not None
        self.owner: str = job.lease_owner
        self._process = process
        self._job = job
        self._every = every
        self._group = group
        self._renewed = time.monotonic() - group.seconds_since_renewal
        self._progress = job.progress
        self._unsaved: list[Segment] = []
        self._saved = segments
        self._in_doubt = False
        self._model_version: str | None = None

    def begin(self, model_version: str) -> int | None:
        """Set the version of the model that is used. Segments of another version are dropped.

        Returns:
            How many chunks of the recording earlier attempts have done; None if the lease was lost.

        Raises:
            DatabaseUnavailable: the database stays away.
        """
        self._model_version = model_version
        if not self._job.chunks_done or self._job.model_version == model_version:
            return self._job.chunks_done
        log.info("job_restarted", before=self._job.model_version, model_version=model_version)
        seconds = self._process.settings.lease_seconds
        if not outlast(self._start_over, seconds, lambda: self._process.drain.late):
            return None
        self._saved = 0
        return 0

    def _start_over(self, _again: bool) -> bool:
        assert self._model_version is not None
        length = timedelta(seconds=self._process.settings.lease_seconds)
        try:
            with self._process.database.write() as session:
                self._job = jobs.start_over(
                    session, self._job, owner=self.owner, lease=length, model_version=self._model_version
                )
        except (IllegalTransition, JobNotFound):
            log.warning("lease_lost")
            return False
        return True

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """Renew the leases from a thread during a block without progress, such as the load of a model."""
        done = threading.Event()
        length = timedelta(seconds=self._process.settings.lease_seconds)

        def renew() -> None:
            while not done.wait(self._process.settings.lease_seconds / 4):
                with suppress(DatabaseUnavailable), self._process.database.write() as session:
                    jobs.keep_leases(session, self.owner, length)

        thread = threading.Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def add(self, segment: Segment) -> None:
        """Buffer a finished segment."""
        self._unsaved.append(segment)

    def keep(self, progress: Progress) -> Renewal:
        """Renew the lease and save progress and segments, if it is time to."""
        if time.monotonic() - self._renewed < self._every:
            return Renewal.PENDING
        try:
            with self._saving() as session:
                go_on = self._renew(session, progress)
                self._group.renew(session)
        except DatabaseUnavailable:
            log.warning("database_unavailable")
            return Renewal.PENDING
        except IllegalTransition:
            log.warning("lease_lost")
            return Renewal.LOST
        finally:
            self._renewed = time.monotonic()
        return Renewal.RENEWED if go_on else Renewal.CANCELLED

    def is_lost(self) -> bool:
        """Whether another worker has the job. False also while the database is away."""
        try:
            with self._process.database.read() as session:
                found = jobs.find_job(session, self._job.id)
        except DatabaseUnavailable:
            return False
        return found is None or found.lease_owner != self.owner

    def succeed(
        self, measured: Measurements, waveform: Waveform | None, spectrogram: bytes | None = None
    ) -> JobStatus | None:
        """Save everything that is not saved yet: the job is done, or cancelled if its client asked for that.

        Returns:
            The job's status; None if the lease was lost.
        """
        status = JobStatus.SUCCEEDED

        def write(session: Session) -> None:
            nonlocal status
            ended = jobs.succeed(
                session,
                self._job,
                owner=self.owner,
                measured=measured,
                waveform=waveform,
                spectrogram=spectrogram,
                model_version=self._model_version,
            )
            status = ended.status
            if status is not JobStatus.SUCCEEDED:
                self._unsaved.clear()

        return status if self._end(Event.SUCCEEDED, write, saving=True) else None

    def fail(self, code: str, message: str, warnings: Sequence[AudioWarning] | None = None) -> bool:
        """End the job for good. A recording that can never be read is deleted."""

        def write(session: Session) -> None:
            files = self._process.files
            reason = {"code": code, "message": message}
            jobs.fail(session, files, self._job, owner=self.owner, warnings=warnings, **reason)

        return self._end(Event.FAILED, write)

    def cancel(self) -> bool:
        """End the job as its client asked."""

        def write(session: Session) -> None:
            jobs.end_cancelled(session, self._job, owner=self.owner)

        return self._end(Event.CANCELLED, write)

    def hand_back(self, code: str, message: str) -> bool:
        """End the attempt, through no fault of the recording. Segments not saved yet are dropped."""

        def write(session: Session) -> None:
            job = jobs.get_job(session, self._job.id)
            jobs.hand_back(session, job, owner=self.owner, code=code, message=message)

        return self._end(Event.REQUEUED, write)

    def release(self, progress: Progress | None = None) -> bool:
        """Give the job back because the worker stops.

        With ``progress`` everything done so far is saved. Without it, as in the middle of a step, segments
        that are not saved yet are dropped.
        """

        def write(session: Session) -> None:
            if progress is not None:
                self._renew(session, progress)
            jobs.release(session, jobs.get_job(session, self._job.id), owner=self.owner)

        return self._end(Event.RELEASED, write, saving=progress is not None)

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
        if found is None or found.started_at != self._job.started_at:  # it was claimed again since
            return False
        return found.status is TRANSITIONS[event].target

    def _renew(self, session: Session, progress: Progress) -> bool:
        self._progress = max(self._progress, progress.part)  # what clients see must not fall
        length = timedelta(seconds=self._process.settings.lease_seconds)
        return jobs.renew(
            session,
            self._job.id,
            self.owner,
            length,
            self._progress,
            progress.chunks_done,
            self._model_version,
        )

    @contextmanager
    def _saving(self) -> Iterator[Session]:
        """A transaction whose block first proves that the lease is held; then the segments are written."""
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
