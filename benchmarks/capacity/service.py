"""The service under test, on Postgres, and what its processes used."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
from pgserver.postgres_server import get_server
from redis import Redis

from benchmarks.processes import cpu_seconds_by_process
from ops.demo import embedded_service
from ops.service.instance import socket_of
from shared.database import Database


@dataclass(frozen=True, slots=True)
class Usage:
    """Counters at a moment; the difference of two is what was used in between.

    Attributes:
        cpu_seconds: of each kind of process: the service's, Postgres, and this one.
        machine_seconds: CPU time that all processes of the machine used, and what the hypervisor took.
        commits: transactions of the database, those that only read included.
        syncs: of its write-ahead log, to the disk.
        redis_commands: executed by Redis.
    """

    at: float
    cpu_seconds: dict[str, float]
    machine_seconds: float
    commits: int
    syncs: int
    redis_commands: int

    def __sub__(self, before: "Usage") -> "Usage":
        return Usage(
            self.at - before.at,
            {kind: used - before.cpu_seconds.get(kind, 0.0) for kind, used in self.cpu_seconds.items()},
            self.machine_seconds - before.machine_seconds,
            self.commits - before.commits,
            self.syncs - before.syncs,
            self.redis_commands - before.redis_commands,
        )

    @property
    def foreign(self) -> float:
        """CPU time that other programs used, relative to that of all cores."""
        cores = psutil.cpu_count() or 1
        return max(self.machine_seconds - sum(self.cpu_seconds.values()), 0.0) / (self.at * cores)


@dataclass(frozen=True, slots=True)
class Service:
    """A running service."""

    url: str
    database: Database
    redis: Redis
    postgres: psutil.Process
    postgres_url: str

    def usage(self) -> Usage:
        """Read all counters."""
        times = psutil.cpu_times()
        machine = times.user + times.nice + times.system + times.irq + times.softirq + times.steal
        own = psutil.Process().cpu_times()
        used = cpu_seconds_by_process()
        used.pop("postgres", None)
        used |= {"postgres": cpu_seconds_of_tree(self.postgres), "this": own.user + own.system}
        commits, syncs = postgres_counters(self.postgres_url)
        commands: Any = self.redis.info("stats")
        executed = int(commands["total_commands_processed"])
        return Usage(psutil.time.time(), used, machine, commits, syncs, executed)


def cpu_seconds_of_tree(process: psutil.Process) -> float:
    """Return the CPU time of a process and its children, including ended ones."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        if one is process:
            total += times.children_user + times.children_system
    return total


def postgres_counters(url: str) -> tuple[int, int]:
    """Return how many transactions were committed, and how often the log was synced to the disk."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT sum(xact_commit)::bigint, (SELECT wal_sync FROM pg_stat_wal) FROM pg_stat_database"
        ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def postgres_setting(url: str, name: str) -> str:
    """Return a setting of the server."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return str(row[0])


@contextmanager
def postgres(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Run Postgres with its default settings, so with fsync; yield its URL and its process."""
    folder.mkdir(parents=True, exist_ok=True)
    for place in (folder, *folder.parents[: len(folder.parents) - 2]):
        if place.stat().st_uid == os.getuid():
            place.chmod(0o755)  # as root, Postgres runs under a user of its own
    server = get_server(folder / "postgres", cleanup_mode="delete")
    try:
        process = int((folder / "postgres" / "postmaster.pid").read_text().splitlines()[0])
        yield server.get_uri(), psutil.Process(process)
    finally:
        server.cleanup()


@contextmanager
def running(folder: Path, processes: int) -> Iterator[Service]:
    """Run the service with so many worker processes of one thread each, on a Postgres of its own."""
    with ExitStack() as stack:
        url, process = stack.enter_context(postgres(folder))
        address = url.replace("postgresql://", "postgresql+psycopg://", 1)
        os.environ |= {
            "SHRUTLEKH_DATABASE_URL": address,
            "SHRUTLEKH_WORKER_PROCESSES": str(processes),
            "SHRUTLEKH_WORKER_THREADS": "1",
            "SHRUTLEKH_STREAM_SESSIONS": "0",
        }
        base = stack.enter_context(embedded_service(folder / "data"))
        socket = socket_of(folder / "data")
        assert socket is not None
        redis = stack.enter_context(closing(Redis(unix_socket_path=str(socket))))
        database = stack.enter_context(closing(Database(address)))
        yield Service(base, database, redis, process, url)
