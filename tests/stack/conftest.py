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

from tests.s3_server import S3Server
from tests.stack.two_jobs import TwoJobs, run_two_jobs

ROOT = Path(__file__).resolve().parents[2]
_BUCKETS: dict[str, S3Server] = {}


@dataclass(frozen=True)
class Service:
    """A running service: where it answers, its data folder and database, a client for it, its process id.

    ``bucket`` is the server that keeps its recordings, if they are not in its data folder.
    """

    url: str
    data: Path
    database: str
    http: httpx.Client
    pid: int
    bucket: S3Server | None = None

    def stored_files(self) -> list[Path]:
        if self.bucket is not None:
            assert not (self.data / "files").exists()
            return [Path(name) for name in self.bucket.names(self.data.name + "/")]
        return [path for path in (self.data / "files").rglob("*") if path.is_file()]


@contextmanager
def serving(
    data: Path, settings: Mapping[str, str], *arguments: str, bucket: S3Server | None = None
) -> Iterator[Service]:
    """Run `shrutlekh serve` on a data folder. It must stop in order at the end of the block.

    Args:
        data: the data folder.
        settings: environment variables beside those of this process.
        arguments: further arguments of `serve`.
        bucket: the server of recordings; by default the one that SHRUTLEKH_TEST_FILES asks for, if any.
    """
    bucket = bucket or _BUCKETS.get("default")
    place = {} if bucket is None else bucket.environment(data.name)
    process = subprocess.Popen(
        [sys.executable, "-m", "ops", "serve", "--port", "0", "--data", str(data), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"SHRUTLEKH_DISK_RESERVE_BYTES": "0", **place, **settings},
        cwd=ROOT,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("Shrutlekh is ready at http://"), line
    url = line.split()[-1]
    with httpx.Client(base_url=url, timeout=60) as http:
        database = settings.get("SHRUTLEKH_DATABASE_URL", f"sqlite:///{data / 'shrutlekh.db'}")
        yield Service(url, data, database, http, process.pid, bucket)
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 0


@pytest.fixture(scope="session", autouse=True)
def _everything_in_a_bucket(request: pytest.FixtureRequest) -> Iterator[None]:
    """With SHRUTLEKH_TEST_FILES=s3, all services of these tests keep their recordings in a bucket."""
    with pytest.MonkeyPatch.context() as patch:
        if os.environ.get("SHRUTLEKH_TEST_FILES") == "s3":
            _BUCKETS["default"] = request.getfixturevalue("s3")
            for name, value in _BUCKETS["default"].environment("others").items():
                patch.setenv(name, value)
        yield


@pytest.fixture(scope="package", params=["sqlite", "postgres"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service on SQLite and on Postgres, with the shipped model; on "postgres-s3" with a bucket."""
    data = tmp_path_factory.mktemp("service")
    settings = {
        "SHRUTLEKH_MAX_UPLOAD_BYTES": str(20 * 2**20),
        "SHRUTLEKH_SWEEP_SECONDS": "0.5",
        "SHRUTLEKH_WEBHOOK_ALLOW": "127.0.0.1",
    }
    if request.param.startswith("postgres"):
        settings["SHRUTLEKH_DATABASE_URL"] = request.getfixturevalue("postgres_server")
    bucket = request.getfixturevalue("s3") if request.param == "postgres-s3" else None
    with serving(data, settings, bucket=bucket) as service:
        yield service


@pytest.fixture(scope="package")
def two_jobs(tmp_path_factory: pytest.TempPathFactory) -> TwoJobs:
    """What a service answered, logged and traced of two jobs."""
    return run_two_jobs(tmp_path_factory.mktemp("two-jobs"))
