"""The whole service, started as a person starts it: `shrutlekh serve`."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.stack.two_jobs import TwoJobs, run_two_jobs

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Service:
    """A running service: where it answers, its data folder and database, a client for it, its process id."""

    url: str
    data: Path
    database: str
    http: httpx.Client
    pid: int

    def stored_files(self) -> list[Path]:
        return [path for path in (self.data / "files").rglob("*") if path.is_file()]


@contextmanager
def serving(data: Path, settings: Mapping[str, str], *arguments: str) -> Iterator[Service]:
    """Run `shrutlekh serve` on a data folder. It must stop in order at the end of the block.

    Args:
        data: the data folder.
        settings: environment variables beside those of this process.
        arguments: further arguments of `serve`.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "ops", "serve", "--port", "0", "--data", str(data), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"SHRUTLEKH_DISK_RESERVE_BYTES": "0", **settings},
        cwd=ROOT,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("Shrutlekh is ready at http://"), line
    url = line.split()[-1]
    with httpx.Client(base_url=url, timeout=60) as http:
        database = settings.get("SHRUTLEKH_DATABASE_URL", f"sqlite:///{data / 'shrutlekh.db'}")
        yield Service(url, data, database, http, process.pid)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 0


@pytest.fixture(scope="package", params=["sqlite", "postgres"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service on SQLite and on Postgres, with the shipped model."""
    data = tmp_path_factory.mktemp("service")
    settings = {
        "SHRUTLEKH_MAX_UPLOAD_BYTES": str(20 * 2**20),
        "SHRUTLEKH_SWEEP_SECONDS": "0.5",
        "SHRUTLEKH_WEBHOOK_ALLOW": "127.0.0.1",
    }
    if request.param == "postgres":
        settings["SHRUTLEKH_DATABASE_URL"] = request.getfixturevalue("postgres_server")
    with serving(data, settings) as service:
        yield service


@pytest.fixture(scope="package")
def two_jobs(tmp_path_factory: pytest.TempPathFactory) -> TwoJobs:
    """What a service answered, logged and traced of two jobs."""
    return run_two_jobs(tmp_path_factory.mktemp("two-jobs"))
