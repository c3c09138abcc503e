"""The real service as processes of their own, with settings that make it notice faults soon."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from migrations.schema import upgrade
from shared.database import Database
from shared.settings import Settings
from tests.conftest import wait_for_redis
from tests.faults.ledger import Ledger
from tests.faults.servers import REDIS_START_SECONDS, Disk, postgres_program, redis_program
from tests.faults.supervisor import Program, Supervisor
from tests.s3_server import CREDENTIALS, S3Server

ROOT = Path(__file__).resolve().parents[2]
API = "api"
WORKERS = ("worker-1", "worker-2", "worker-3")
SWEEPERS = ("sweeper-1", "sweeper-2")
START_SECONDS = 120.0
STOP_SECONDS = 30.0


@dataclass(slots=True)
class Service:
    """A running service and all that the harness breaks of it."""

    database: str
    settings: Settings
    url: str
    supervisor: Supervisor
    ledger: Ledger
    disk: Disk | None
    logs: Path
    workers: tuple[str, ...]
    bucket: S3Server | None = None
    sweepers: tuple[str, ...] = SWEEPERS

    def files(self) -> set[str]:
        """Names of all files in the store, partial ones included."""
        if self.bucket is not None:
            return {*self.bucket.names(), *self.bucket.uploads()}
        return {path.name for path in self.settings.files_dir.rglob("*") if path.is_file()}

    def pool_process(self, worker: str, seconds: float = 90.0) -> int:
        """Process id of the process that a worker works in.

        Raises:
            TimeoutError: there is none.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                children = psutil.Process(self.supervisor.pid(worker)).children()
            except psutil.NoSuchProcess:
                children = []
            if children:
                return int(children[0].pid)
            time.sleep(0.02)
        raise TimeoutError(f"{worker} has no process")

    def stop(self) -> None:
        """End the service in order: what then does not end well counts as a process that died."""
        self.supervisor.stop([API, *self.workers, *self.sweepers], STOP_SECONDS)


@contextmanager
def running(
    database: str,
    folder: Path,
    logs: Path,
    disk: Path | None,
    workers: int,
    receiver: str,
    bucket: S3Server | None = None,
) -> Iterator[Service]:
    """The service on "postgres" or "sqlite"; ``folder`` takes sockets and what lies on no small disk.

    Recordings are in ``bucket``, if there is one, else in the data folder. Webhooks may go to ``receiver``
    alone, a host with its port.
    """
    data = (disk or folder) / "data"
    supervisor = Supervisor()
    try:
        redis, redis_url = redis_program(folder, logs / "redis.log")
        supervisor.add(redis)
        database_url = ""
        if database == "postgres":
            postgres, database_url = postgres_program(folder, logs / "postgres.log")
            supervisor.add(postgres)
        settings = _settings(data, redis_url, database_url, receiver, bucket)
        wait_for_redis(redis_url, REDIS_START_SECONDS)
        _migrate(settings)
        names = WORKERS[:workers]
        ledger = Ledger(settings.database)
        url = f"http://127.0.0.1:{settings.port}"
        small = Disk(data) if disk else None
        service = Service(database, settings, url, supervisor, ledger, small, logs, names, bucket=bucket)
        environment = _environment(settings)
        modules = {API: "api"} | dict.fromkeys(names, "worker") | dict.fromkeys(SWEEPERS, "worker.sweeper")
        for name, module in modules.items():
            command = [sys.executable, "-P", "-m", module]
            supervisor.add(Program(name, command, environment, logs / f"{name}.log"))
        _wait_until_ready(url, len(names))
        yield service
        ledger.close()
    finally:
        supervisor.close()


def _settings(
    data: Path, redis_url: str, database_url: str, receiver: str, bucket: S3Server | None
) -> Settings:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return Settings(
        data_dir=data,
        redis_url=redis_url,
        database_url=database_url,
        port=port,
        worker_processes=1,
        worker_threads=1,
        lease_seconds=4.0,
        sweep_seconds=0.5,
        heartbeat_seconds=0.5,
        # Three is for a machine that fails now and then. Here it fails every second, and a job that is hit
        # three times in a minute has done nothing wrong.
        max_attempts=20,
        # Longer than any fault here holds up an API between its file and its row: that file is no orphan.
        orphan_seconds=10.0,
        drain_seconds=1.0,
        webhook_allow=[receiver],
        disk_reserve_bytes=0,  # the disk must fill up during a write, not be found too small before it
        **({} if bucket is None else bucket.settings()),
    )


def _environment(settings: Settings) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("SHRUTLEKH_")}
    values = settings.model_dump(exclude_unset=True)
    return {
        **own,
        **CREDENTIALS,
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "client"))),
        "PYTHONUNBUFFERED": "1",
        **{f"SHRUTLEKH_{name.upper()}": _text(value) for name, value in values.items()},
    }


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _migrate(settings: Settings) -> None:
    deadline = time.monotonic() + START_SECONDS
    database = Database(settings.database)
    while True:
        try:
            database.ping()
            break
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    upgrade(database)
    database.close()


def _wait_until_ready(url: str, workers: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    answer = ""
    while time.monotonic() < deadline:
        try:
            response = httpx.get(f"{url}/readyz", timeout=5)
            answer = response.text
            if response.is_success and response.json()["checks"]["workers"]["count"] >= workers:
                return
        except httpx.TransportError as error:
            answer = repr(error)
        time.sleep(0.1)
    raise TimeoutError(f"the service is not ready: {answer}")


KILLED = -signal.SIGKILL
ENDED = (0, -signal.SIGTERM)
