"""A service whose Postgres is behind PgBouncer and whose Redis wants TLS and a password."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.settings import Settings
from tests.remote.hosts import Host, hosts
from tests.remote.servers import Authority, open_folder
from tests.speech.sounds import write_model


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = open_folder("remote-")
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def two_hosts() -> Iterator[list[Host]]:
    """Two hosts, the clock of one a minute ahead, of the other a minute behind."""
    with hosts(60, -60) as made:
        yield made


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    """Of the servers that run here, by whichever address they are reached."""
    return Authority(folder, ("127.0.0.1", "10.213.0.1", "10.213.1.1"))


@pytest.fixture
def toy_settings(tmp_path: Path) -> Settings:
    """Settings of a worker with the model that recordings can be played to."""
    write_model(tmp_path / "models" / "loudness", name="loudness")
    return Settings(
        data_dir=tmp_path / "data",
        models_dir=tmp_path / "models",
        default_model="loudness",
        worker_processes=1,
        worker_threads=1,
        worker_nice=0,
        lease_seconds=8.0,
        sweep_seconds=0.5,
        heartbeat_seconds=0.5,
        webhooks=False,
    )
