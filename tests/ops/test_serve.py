"""The embedded service with all its real processes: how it starts, what it survives, that nothing stays."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from shrutlekh import ClientError, Job, ShrutlekhClient

from shared.settings import Settings
from tests.conftest import missing

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples"
PATIENCE = 120.0
# About 1 on a machine that has nothing else to do; waiting for a drain would take 20.
IDLE_STOP_SECONDS = 10.0
"""Seconds for a start or an end on a machine that is busy with other tests."""


class Serve:
    """A running ``shrutlekh serve``."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Shrutlekh is ready at http://127.0.0.1:"), process.communicate()
        self.url = line.split()[-1]
        self.tree = psutil.Process(process.pid).children(recursive=True)

    def child(self, word: str) -> psutil.Process | None:
        """The direct child that is called so, or whose command line ends so, if it runs."""
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.Error):
                if word in (child.name(), *child.cmdline()[-1:]):
                    return child
        return None

    def stop(self, number: signal.Signals) -> tuple[int, str, str]:
        """Send the signal; gives exit status, the rest of stdout, stderr."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


def command(data: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "ops", "serve", "--data", str(data), "--workers", "1", *options]


@pytest.fixture(scope="session", autouse=True)
def _model() -> None:
    settings = Settings()
    if not (settings.models_dir / settings.default_model / "model.onnx").is_file():
        missing("the default model")


@contextmanager
def starter(data: Path) -> Iterator[Callable[..., Serve]]:
    """Starts services in the folder ``data``; whatever still runs at the end is killed."""
    started: list[Serve] = []

    def start(cwd: Path | None = None) -> Serve:
        process = subprocess.Popen(
            command(data, "--port", "0"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "client")])},
        )
        service = Serve(process)
        started.append(service)
        return service

    yield start
    for service in started:
        service.process.kill()
        service.process.communicate()
        for process in service.tree:
            if process.is_running():
                process.kill()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Serve]]:
    """Starts services."""
    with starter(tmp_path / "data") as start:
        yield start


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serve, Path]]:
    """A service for several tests, the last of which stops it, and its folder with a long and odd path."""
    data = tmp_path_factory.mktemp("serve") / ("long-" * 20) / "हिन्दी and %20 spaces?"
    with starter(data) as start:
        yield start(), data


def gone(processes: list[psutil.Process], seconds: float) -> bool:
    """Whether all of them end within the time."""
    return not psutil.wait_procs(processes, seconds)[1]


def eventually(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def ready(url: str) -> bool:
    with ShrutlekhClient(url, timeout=5) as client:
        try:
            return client.ready().ready
        except ClientError:
            return False


def kill_and_await_another(service: Serve, word: str) -> None:
    victim = service.child(word)
    assert victim is not None
    victim.kill()
    assert eventually(lambda: service.child(word) not in {None, victim})
    assert eventually(lambda: ready(service.url))


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.stack
def test_a_life_from_start_to_ctrl_c_twice_over(serve: Callable[..., Serve], tmp_path: Path) -> None:
    """Started where a folder is called as one of ours, it transcribes, stops in order, and starts again
    with what it knew."""
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "__main__.py").write_text("raise SystemExit('not this one')")
    service = serve(cwd=tmp_path)
    assert len(service.tree) >= 5  # Redis, API, sweeper, worker, the worker's process
    with ShrutlekhClient(service.url) as client:
        seen: list[Job] = []
        job = client.wait_for(client.submit(SAMPLES / "namaste.wav").id, seen.append)
        assert (job.status, job.error) == ("succeeded", None)
        assert [job.progress for job in seen] == sorted({job.progress for job in seen})
    code, out, err = service.stop(signal.SIGINT)
    assert (code, out) == (0, "")
    assert "Traceback" not in err
    assert gone(service.tree, 0)
    assert not (tmp_path / "data" / "run").exists()

    service = serve()
    with ShrutlekhClient(service.url) as client:
        assert client.job(job.id).status == "succeeded"
        assert client.transcript(job.id)["text"]
    code, _, _ = service.stop(signal.SIGTERM)
    assert code == 0
    assert gone(service.tree, 0)


@pytest.mark.stack
def test_nothing_is_left_when_it_is_killed(serve: Callable[..., Serve]) -> None:
    service = serve()
    service.process.kill()
    assert gone(service.tree, 30), [process.cmdline() for process in service.tree if process.is_running()]
    again = serve()
    began = time.monotonic()
    assert again.stop(signal.SIGTERM)[0] == 0
    assert time.monotonic() - began < IDLE_STOP_SECONDS


@pytest.mark.stack
def test_a_long_path_and_an_odd_one_are_fine(running: tuple[Serve, Path]) -> None:
    service, _ = running
    assert ready(service.url)


@pytest.mark.stack
def test_a_data_folder_serves_one(running: tuple[Serve, Path]) -> None:
    service, data = running
    done = subprocess.run(command(data, "--port", "0"), capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"in use by another `shrutlekh serve` (process {service.process.pid})" in done.stderr
    assert ready(service.url)


@pytest.mark.stack
def test_what_dies_is_started_again(running: tuple[Serve, Path]) -> None:
    service, _ = running
    for word in ("redis-server", "worker", "api"):
        kill_and_await_another(service, word)
    with ShrutlekhClient(service.url) as client:
        job = client.wait_for(client.submit(SAMPLES / "namaste.wav").id)
    assert job.status == "succeeded"
    service.tree = psutil.Process(service.process.pid).children(recursive=True)
    code, _, err = service.stop(signal.SIGINT)
    assert code == 0
    assert "The worker ended (signal 9); starting it again" in err
    assert gone(service.tree, 0)


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with taken_port() as port:
        done = subprocess.run(
            command(tmp_path / "data", "--port", str(port)), capture_output=True, text=True, timeout=PATIENCE
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert f"Port {port} of 127.0.0.1 is in use. Choose another with --port" in done.stderr


@pytest.mark.stack
def test_a_part_that_cannot_start_is_quoted(tmp_path: Path) -> None:
    began = time.monotonic()
    done = subprocess.run(
        command(tmp_path / "data", "--port", "0"),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, "SHRUTLEKH_MODELS_DIR": str(tmp_path)},
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "The worker ended (exit status 1). The end of" in done.stderr
    assert "The requested model is not installed." in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("data", "environment", "sentence"),
    [
        pytest.param("file", {}, "cannot be used", id="folder is a file"),
        pytest.param(
            "data", {"SHRUTLEKH_MAX_ATTEMPTS": "many"}, "A setting in the environment", id="setting"
        ),
        pytest.param(
            "data", {"SHRUTLEKH_DATABASE_URL": "sqlite:////proc/no.db"}, "The database", id="database"
        ),
    ],
)
def test_a_start_that_cannot_be(
    tmp_path: Path, data: str, environment: dict[str, str], sentence: str
) -> None:
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        command(tmp_path / data, "--port", "0"),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, **environment},
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
