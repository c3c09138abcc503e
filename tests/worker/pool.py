"""Real processes for tests: workers with their pools, and sweepers, on one database and one Redis."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from redis import Redis
from sqlalchemy import select

from shared.database import Database, open_database
from shared.files import open_store
from shared.jobs.queries import get_job
from shared.jobs.tables import Job, JobEvent, Priority
from shared.jobs.verbs import submit
from shared.presence import WORKERS
from shared.queue import JobQueue, make_celery, queue_of
from shared.redis import open_redis
from shared.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0


@dataclass
class Service:
    """Settings, and the processes that were started with them."""

    settings: Settings
    folder: Path
    database: Database
    redis: Redis
    queue: JobQueue
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(
        self, module: str, *, through: Sequence[str] = (), **changes: object
    ) -> subprocess.Popen[bytes]:
        """Run ``python -m module`` with the settings and ``changes`` to them.

        Args:
            through: the beginning of the command, of a program that runs the rest of it.
        """
        given = {name: getattr(self.settings, name) for name in self.settings.model_fields_set} | changes
        environment = os.environ | {f"SHRUTLEKH_{name.upper()}": str(value) for name, value in given.items()}
        path = self.folder / f"{len(self.processes)}.log"
        with path.open("wb") as log:
            process = subprocess.Popen(
                [*through, sys.executable, "-m", module], env=environment, cwd=ROOT, stdout=log, stderr=log
            )
        self.processes.append(process)
        return process

    def warm(self) -> set[int]:
        """The pool processes that have lately said they are there."""
        members = self.redis.zrangebyscore(WORKERS, time.time() - self.settings.heartbeat_expiry, "+inf")
        assert isinstance(members, list)
        return {int(member.split(b":")[1]) for member in members}

    def pool_of(self, worker: subprocess.Popen[bytes]) -> set[int]:
        """The pool processes of a worker."""
        return {child.pid for child in psutil.Process(worker.pid).children()}

    def start_worker(
        self, module: str = "worker", *, through: Sequence[str] = (), **changes: object
    ) -> subprocess.Popen[bytes]:
        """Start a worker and wait until all its processes are warm."""
        worker = self.start(module, through=through, **changes)
        wait_until(
            lambda: len(self.pool_of(worker) & self.warm()) == self.settings.worker_processes, self.log
        )
        return worker

    def submit(
        self,
        contents: Sequence[bytes],
        max_attempts: int = 1,
        rings: bool = True,
        model: str = "loudness",
    ) -> list[uuid.UUID]:
        """Store files, queue their jobs and ring for them."""
        store = open_store(self.settings)
        jobs = []
        for content in contents:
            with closing(store.receive(2**30)) as upload:
                upload.write(content)
                stored = upload.commit()
            jobs.append(
                Job(
                    id=uuid.uuid4(),
                    file_name="a.wav",
                    file_key=stored.key,
                    file_bytes=stored.size,
                    file_sha256=stored.sha256,
                    model=model,
                    transcript=True,
                    waveform=False,
                    max_attempts=max_attempts,
                    client="c",
                    priority=Priority.NORMAL,
                )
            )
        with self.database.write() as session:
            submit(session, *jobs)
        for job in jobs if rings else ():
            self.queue.ring(job.id)
            self.queue.ring(job.id, queue_of(model))
        return [job.id for job in jobs]

    def job(self, job_id: uuid.UUID) -> Job:
        with self.database.read() as session:
            return get_job(session, job_id)

    def events(self, job_id: uuid.UUID) -> list[tuple[str, int, str | None]]:
        """Event, attempt and code, in order."""
        with self.database.read() as session:
            query = select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.id)
            return [(row.event, row.attempt, row.code) for row in session.scalars(query)]

    def wait_for_ends(self, job_ids: Sequence[uuid.UUID]) -> list[Job]:
        wait_until(lambda: all(self.job(job_id).status.is_final for job_id in job_ids), self.log)
        return [self.job(job_id) for job_id in job_ids]

    def log_of(self, process: subprocess.Popen[bytes]) -> str:
        """What a process wrote so far."""
        return (self.folder / f"{self.processes.index(process)}.log").read_text(errors="replace")

    def log(self) -> str:
        """What all processes wrote so far."""
        return "\n".join(self.log_of(process) for process in self.processes)


@contextmanager
def running(settings: Settings, folder: Path) -> Iterator[Service]:
    """A service without processes yet; what was started is killed at the end, with its children."""
    database = open_database(settings, 5)
    redis = open_redis(settings.redis_url)
    redis.flushall()
    queue = JobQueue(make_celery(settings))
    service = Service(settings, folder, database, redis, queue)
    try:
        yield service
    finally:
        for process in service.processes:
            if process.poll() is None:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
                process.send_signal(signal.SIGKILL)
            process.wait()
        queue.close()
        redis.close()
        database.close()


def wait_until(condition: Callable[[], bool], log: Callable[[], str], seconds: float = PATIENCE) -> None:
    """Return when it holds; fail with the log when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"It did not come to pass in {seconds} s:\n{log()[-8000:]}")
        time.sleep(0.05)
