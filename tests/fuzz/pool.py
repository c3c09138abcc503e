"""A real worker with its pool, on a Redis and a database of its own, and what is seen of its processes."""

import re
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from migrations.schema import upgrade
from shared.database import Database
from shared.jobs.tables import Job, JobEvent, SegmentRow
from shared.settings import Settings
from tests.conftest import own_redis
from tests.speech.sounds import write_model
from tests.worker.pool import Service, running

MEMORY_BYTES = 2**30
"""The ceiling of a pool process. What wants more is refused, and counts as a finding."""

ATTEMPT_SECONDS = 60.0
SECONDS_PER_AUDIO_SECOND = 0.05
"""The time limit, well below the 300 s and 4 s of the settings."""

LEASE_SECONDS = 20.0
PROCESSES = 2
_HIGH_WATER = re.compile(r"VmHWM:\s+(\d+) kB")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended. ``code`` is None if it succeeded; ``trail`` the codes of all that went wrong."""

    code: str | None
    message: str
    seconds: float | None
    text: str
    took: float
    trail: tuple[str, ...]


@dataclass(slots=True)
class Pool:
    """The service, and what was seen of it.

    Attributes:
        peak_bytes: the most memory that a process of the pool had; last_peak_bytes during the last run.
        deaths: processes of the pool that ended.
    """

    service: Service
    pids: set[int]
    peak_bytes: int = 0
    last_peak_bytes: int = 0
    deaths: int = 0

    def run(self, contents: Sequence[bytes], seconds: float = 600.0) -> list[Ended]:
        """Transcribe all of them; how each ended.

        Raises:
            TimeoutError: some did not end.
        """
        self.last_peak_bytes = 0
        for pid in self.pids:
            with suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")  # resets the high-water mark
        ids = self.service.submit(contents)
        deadline = time.monotonic() + seconds
        while self._unfinished(ids):
            self.look()
            if time.monotonic() > deadline:
                raise TimeoutError(f"Not ended in {seconds:.0f} s:\n{self.service.log()[-4000:]}")
            time.sleep(0.05)
        self.look()
        return [self._ended(one) for one in ids]

    def look(self) -> None:
        """Take note of memory and of processes that are gone."""
        alive = self.service.pool_of(self.service.processes[0])
        self.deaths += len(self.pids - alive)
        self.pids = alive
        for pid in alive:
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except FileNotFoundError:
                continue
            if found := _HIGH_WATER.search(status):
                self.last_peak_bytes = max(self.last_peak_bytes, int(found[1]) * 1024)
        self.peak_bytes = max(self.peak_bytes, self.last_peak_bytes)

    def _unfinished(self, ids: Sequence[uuid.UUID]) -> bool:
        with self.service.database.read() as session:
            query = select(Job.id).where(Job.id.in_(ids), Job.finished_at.is_(None)).limit(1)
            return session.scalar(query) is not None

    def _ended(self, one: uuid.UUID) -> Ended:
        with self.service.database.read() as session:
            job = session.get_one(Job, one)
            events = select(JobEvent.code).where(JobEvent.job_id == one).order_by(JobEvent.id)
            trail = tuple(code for code in session.scalars(events) if code)
            words = select(SegmentRow.text).where(SegmentRow.job_id == one)
            text = " ".join(session.scalars(words.order_by(SegmentRow.position)))
            took = 0.0
            if job.started_at and job.finished_at:
                took = (job.finished_at - job.started_at).total_seconds()
            return Ended(job.error_code, job.error_message or "", job.audio_seconds, text, took, trail)


@contextmanager
def pool() -> Iterator[Pool]:
    """A warm pool. Everything is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as temporary, own_redis() as (redis_url, _):
        folder = Path(temporary)
        write_model(folder / "models" / "loudness")
        settings = Settings(
            data_dir=folder / "data",
            database_url=f"sqlite:///{folder / 'fuzz.db'}",
            redis_url=redis_url,
            models_dir=folder / "models",
            default_model="loudness",
            worker_processes=PROCESSES,
            worker_threads=1,
            worker_memory_bytes=MEMORY_BYTES,
            attempt_base_seconds=ATTEMPT_SECONDS,
            attempt_seconds_per_audio_second=SECONDS_PER_AUDIO_SECOND,
            lease_seconds=LEASE_SECONDS,
            sweep_seconds=1.0,
            disk_reserve_bytes=0,
        )
        (folder / "data").mkdir()
        database = Database(settings.database)
        upgrade(database)
        database.close()
        with running(settings, folder) as service:
            worker = service.start_worker()
            service.start("worker.sweeper")
            yield Pool(service, service.pool_of(worker))
