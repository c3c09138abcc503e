"""The faults, one function each: it breaks something, waits while that lasts, and mends it."""

import os
import signal
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psutil
from redis import Redis
from redis.exceptions import RedisError

from shared.queue import QUEUE, JobQueue, make_celery
from tests.faults.ledger import Held
from tests.faults.service import API, ENDED, KILLED, Service
from tests.faults.submitters import Submitters

CATCH_SECONDS = 5.0  # to find a worker with a job in its hands
LONG_FILE_BYTES = 34 * 22050 * 2  # more than one run of the graph
BEYOND_LEASE_SECONDS = 1.5
REDIS_FROZEN_SECONDS = 3.0
UPLOAD_SECONDS = 8.0
FROZEN_BUCKET_SECONDS = 6.0
DOUBLING_SECONDS = 3.0


@dataclass(slots=True)
class Blow:
    """One fault as it is injected. What is random about it was drawn beforehand.

    Attributes:
        target: which one of several alike.
        flavour: 0 to 1, decides between variants.
        seconds: how long it lasts, where that varies.
        struck, ended: when it began and ended to do harm.
        held: the job in the hands of the worker that was hit.
        saved: stretches of speech that were done of it, and need not be recognised again.
    """

    service: Service
    submitters: Submitters
    target: int
    flavour: float
    seconds: float
    struck: datetime | None = None
    ended: datetime | None = None
    held: uuid.UUID | None = None
    saved: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def worker(self) -> str:
        """Name of the worker that is hit."""
        return self.service.workers[self.target % len(self.service.workers)]

    @property
    def sweeper(self) -> str:
        """Name of the sweeper that is hit."""
        return self.service.sweepers[self.target % len(self.service.sweepers)]

    def strike(self) -> None:
        """The harm begins now."""
        self.struck = datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Fault:
    """``victim`` names what two faults must not break at once, or is a property of :class:`Blow`."""

    name: str
    victim: str
    inject: Callable[[Blow], None]
    databases: frozenset[str] = frozenset({"postgres", "sqlite"})
    needs_disk: bool = False
    needs_bucket: bool = False
    kills_pool_process: bool = False


def kill_worker(blow: Blow) -> None:
    """kill -9 of the parent; the supervisor then kills what is left of its group."""
    with _caught(blow, slowly=blow.flavour < 0.5):
        blow.strike()
        parent = blow.service.supervisor.signal(blow.worker, signal.SIGKILL, KILLED)
        while psutil.pid_exists(parent):  # reaped only when its group is dead
            time.sleep(0.01)


def kill_pool_process(blow: Blow) -> None:
    """kill -9 of the process that recognises, as the kernel does when memory runs out."""
    with _caught(blow, slowly=blow.flavour < 0.7) as pid:
        blow.strike()
        os.kill(pid, signal.SIGKILL)


def stop_worker(blow: Blow) -> None:
    """SIGTERM, to the parent as `docker stop` sends it, or to all of its group as systemd does."""
    with _caught(blow, slowly=False):
        blow.strike()
        group = blow.flavour < 0.5
        blow.service.supervisor.signal(blow.worker, signal.SIGTERM, *ENDED, group=group)


def freeze_worker(blow: Blow) -> None:
    """SIGSTOP for longer than the lease: of the process that recognises, or of the worker as a whole."""
    with _caught(blow, slowly=False) as pid:
        blow.strike()
        os.kill(pid, signal.SIGSTOP)
        if whole := blow.flavour < 0.5:
            blow.service.supervisor.signal(blow.worker, signal.SIGSTOP, group=True)
        time.sleep(blow.service.settings.lease_seconds + BEYOND_LEASE_SECONDS)
        if whole:
            blow.service.supervisor.signal(blow.worker, signal.SIGCONT, group=True)


def kill_api(blow: Blow) -> None:
    """kill -9 of the API."""
    blow.strike()
    blow.service.supervisor.signal(API, signal.SIGKILL, KILLED)


def kill_api_in_upload(blow: Blow) -> None:
    """kill -9 of the API when it has half of an upload."""
    slow = blow.submitters.upload_slowly()
    if not slow.half.wait(UPLOAD_SECONDS):
        blow.notes.append("the upload did not get that far")
    blow.strike()
    blow.service.supervisor.signal(API, signal.SIGKILL, KILLED)


def kill_sweeper(blow: Blow) -> None:
    """kill -9 of one of the sweepers."""
    blow.strike()
    blow.service.supervisor.signal(blow.sweeper, signal.SIGKILL, KILLED)


def kill_redis(blow: Blow) -> None:
    """kill -9; it comes back empty."""
    blow.strike()
    blow.service.supervisor.signal("redis", signal.SIGKILL)


def flush_redis(blow: Blow) -> None:
    """FLUSHALL."""
    with Redis.from_url(blow.service.settings.redis_url, socket_timeout=5) as redis:
        for _ in range(50):
            blow.strike()
            with suppress(RedisError):
                redis.flushall()
                return
            time.sleep(0.1)
    blow.notes.append("Redis was away")


def freeze_redis(blow: Blow) -> None:
    """SIGSTOP: connections stand, and nothing answers."""
    blow.strike()
    blow.service.supervisor.signal("redis", signal.SIGSTOP)
    time.sleep(REDIS_FROZEN_SECONDS)
    blow.service.supervisor.signal("redis", signal.SIGCONT)


def kill_postgres(blow: Blow) -> None:
    """kill -9 of the postmaster, or SIGQUIT, which is its immediate shutdown."""
    blow.strike()
    number = signal.SIGQUIT if blow.flavour < 0.5 else signal.SIGKILL
    blow.service.supervisor.signal("postgres", number)


def lock_sqlite(blow: Blow) -> None:
    """Somebody holds the write lock for longer than clients and leases are patient."""
    path = blow.service.settings.database.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        blow.strike()
        time.sleep(blow.seconds)
        connection.execute("ROLLBACK")


def fill_disk(blow: Blow) -> None:
    """The disk with the recordings, and with SQLite's file, is full."""
    assert blow.service.disk is not None
    with blow.service.disk.full():
        blow.strike()
        time.sleep(2.0)


def freeze_bucket(blow: Blow) -> None:
    """The storage of the recordings accepts connections and answers nothing."""
    assert blow.service.bucket is not None
    blow.service.bucket.freeze()
    try:
        blow.strike()
        time.sleep(FROZEN_BUCKET_SECONDS)
    finally:
        blow.service.bucket.thaw()


def double_messages(blow: Blow) -> None:
    """Each message that waits is delivered once more, and for each job that is open one is made up."""
    blow.strike()
    jobs = JobQueue(make_celery(blow.service.settings))
    copied: set[bytes] = set()
    deadline = time.monotonic() + DOUBLING_SECONDS
    with Redis.from_url(blow.service.settings.redis_url, socket_timeout=1) as redis:
        while time.monotonic() < deadline:
            with suppress(RedisError):
                for message in redis.lrange(QUEUE, 0, -1):
                    if message not in copied:
                        redis.lpush(QUEUE, message)
                        copied.add(message)
            for job_id in blow.service.ledger.open_jobs():
                jobs.ring(job_id)
            time.sleep(0.1)
    jobs.close()


POSTGRES, SQLITE = frozenset({"postgres"}), frozenset({"sqlite"})
FAULTS = {
    fault.name: fault
    for fault in (
        Fault("kill -9 worker", "worker", kill_worker),
        Fault("kill -9 pool process", "worker", kill_pool_process, kills_pool_process=True),
        Fault("SIGTERM worker", "worker", stop_worker, kills_pool_process=True),
        Fault("worker frozen 5.5 s", "worker", freeze_worker),
        Fault("kill -9 API", "api", kill_api),
        Fault("API killed in upload", "api", kill_api_in_upload),
        Fault("kill -9 sweeper", "sweeper", kill_sweeper),
        Fault("kill -9 Redis", "redis", kill_redis),
        Fault("Redis flushed", "redis", flush_redis),
        Fault("Redis frozen 3 s", "redis", freeze_redis),
        Fault("Postgres killed", "postgres", kill_postgres, POSTGRES),
        Fault("SQLite locked", "sqlite", lock_sqlite, SQLITE),
        Fault("disk full 2 s", "disk", fill_disk, needs_disk=True),
        Fault("storage frozen 6 s", "bucket", freeze_bucket, needs_bucket=True),
        Fault("messages doubled 3 s", "messages", double_messages),
    )
}


@contextmanager
def _caught(blow: Blow, *, slowly: bool) -> Iterator[int]:
    """Stop the worker's process in the middle of a job; go on at the end of the block, if it still lives.

    If no job comes in time the blow falls on whatever the worker is doing.
    """
    pid = _catch(blow, slowly=slowly)
    try:
        yield pid
    except ProcessLookupError:
        blow.notes.append("another fault was faster")
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _catch(blow: Blow, *, slowly: bool) -> int:
    pid = blow.service.pool_process(blow.worker)
    began = time.monotonic()
    while (waited := time.monotonic() - began) < CATCH_SECONDS:
        size = LONG_FILE_BYTES if slowly and waited < CATCH_SECONDS * 2 / 3 else 0
        try:
            if _stopped_with_job(blow, pid, size, slowly=slowly):
                break
        except ProcessLookupError:  # another fault was faster: there will be a new one
            pid = blow.service.pool_process(blow.worker)
        time.sleep(0.003)
    return pid


def _stopped_with_job(blow: Blow, pid: int, size: int, *, slowly: bool) -> bool:
    """True when the process is stopped with a job of at least ``size`` bytes; else it goes on."""
    held = blow.service.ledger.held_by(pid)
    if held is None or held.file_bytes < size:
        return False
    os.kill(pid, signal.SIGSTOP)
    if slowly:
        held = _until_something_is_saved(blow, pid, held)
    if held is not None and _same(held, blow.service.ledger.held_by(pid)):
        blow.held, blow.saved = held.job_id, held.chunks_done
        return True
    os.kill(pid, signal.SIGCONT)
    return False


def _until_something_is_saved(blow: Blow, pid: int, held: Held) -> Held | None:
    """In slow motion until another attempt need not begin at the beginning; None when the job ends first."""
    deadline = time.monotonic() + blow.service.settings.lease_seconds * 2
    now: Held | None = held
    while now is not None and now.chunks_done == 0 and time.monotonic() < deadline:
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.005)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.05)
        now = blow.service.ledger.held_by(pid)
        if now is not None and now.job_id != held.job_id:
            return None
    return now


def _same(held: Held, now: Held | None) -> bool:
    return now is not None and now.job_id == held.job_id
