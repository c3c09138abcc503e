"""How the parent of the embedded service treats children that do not behave."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ops.service import stack as stack_module
from ops.service.child import Child
from ops.service.instance import SOCKET_PATH_BYTES, locked, socket_path
from ops.service.signals import Signals
from ops.service.stack import Place, Stack

# Does not end when asked, and has a child of its own that does not either.
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    print("started", flush=True)
time.sleep(60)
"""
OBEDIENT = "import time; print('started', flush=True); time.sleep(60)"
FAILING = "import sys; print('started', flush=True); sys.exit('because of this')"


@pytest.fixture
def signals() -> Iterator[Signals]:
    with Signals() as signals:
        yield signals


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def stack(tmp_path: Path, signals: Signals, said: list[str]) -> Iterator[Stack]:
    place = Place(tmp_path, "127.0.0.1", 1, tmp_path / "redis.sock")
    stack = Stack(place, signals, said.append, drain_seconds=30.0)
    for child in stack._children:
        child.command = [sys.executable, "-c", OBEDIENT]
    yield stack
    for child in stack._children:
        child.kill()


def start(stack: Stack) -> list[psutil.Process]:
    """Start the children and wait until they say so; gives their process tree."""
    others = set(psutil.Process().children(recursive=True))  # servers of other tests
    for child in stack._children:
        child.start()
    for child in stack._children:
        while "started" not in child.last_lines():
            time.sleep(0.01)
    return list(set(psutil.Process().children(recursive=True)) - others)


def test_a_stop_in_order(stack: Stack, said: list[str]) -> None:
    processes = start(stack)
    assert len(processes) == len(stack._children)
    assert stack.stop()
    assert not any(process.is_running() for process in processes)
    assert said == []


def test_a_worker_that_does_not_end_is_killed_with_all_it_started(stack: Stack, said: list[str]) -> None:
    stack._worker.command = [sys.executable, "-c", STUBBORN]
    stack._drain_seconds = 0.3
    processes = start(stack)
    assert len(processes) == len(stack._children) + 1
    assert not stack.stop()
    assert not psutil.wait_procs(processes, 2)[1]
    assert said == ["The worker has not ended yet and is killed."]


def test_a_second_signal_hurries(stack: Stack) -> None:
    stack._worker.command = [sys.executable, "-c", STUBBORN]
    processes = start(stack)

    def press() -> None:
        for _ in range(2):
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
    began = time.monotonic()
    assert stack.watch()
    assert not stack.stop()
    assert time.monotonic() - began < 5
    assert not psutil.wait_procs(processes, 2)[1]


def test_a_child_that_keeps_failing_ends_the_service(
    stack: Stack, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack_module, "FIRST_PAUSE", 0.01)
    stack._api.command = [sys.executable, "-c", FAILING]
    start(stack)
    assert not stack.watch()
    assert len(said) == stack_module.RESTARTS + 1
    assert said[0] == "The API ended (exit status 1); starting it again in 0.01 s."
    assert said[1] == "The API ended (exit status 1); starting it again in 0.02 s."
    assert said[-1].startswith("The API ended (exit status 1) once too often.\n")
    assert said[-1].endswith("because of this")


def test_a_child_that_died_leaves_nothing_of_its_group(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = Child("it", [sys.executable, "-c", STUBBORN], dict(os.environ), log)
    others = set(psutil.Process().children())  # servers of other tests
    child.start()
    while "started" not in child.last_lines():
        time.sleep(0.01)
    (leader,) = set(psutil.Process().children()) - others
    (grandchild,) = leader.children()
    leader.kill()
    while child.running:
        time.sleep(0.01)
    assert child.exit_code() == -signal.SIGKILL
    assert not psutil.wait_procs([grandchild], 2)[1]


def test_the_log_is_kept_and_its_end_is_that_of_the_last_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "logs" / "it.log"
    for number in (1, 2):
        child = Child("it", [sys.executable, "-c", f"print('run {number}')"], dict(os.environ), log)
        child.start()
        while child.running:
            time.sleep(0.01)
        assert child.last_lines() == f"run {number}"
    assert log.read_text() == "run 1\nrun 2\n"
    monkeypatch.setattr("ops.service.child.LOG_BYTES", 5)
    child.start()
    while child.running:
        time.sleep(0.01)
    assert log.read_text() == "run 2\n"
    assert log.with_suffix(".log.1").read_text() == "run 1\nrun 2\n"


def test_a_signal_wakes_the_waiter(signals: Signals) -> None:
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
    began = time.monotonic()
    signals.wait(30)
    assert time.monotonic() - began < 5
    assert signals.stops == 1
    signals.wait(0.0)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("box.example", "http://box.example:80"),
    ],
)
def test_the_url_that_is_printed(host: str, url: str) -> None:
    assert Place(Path("d"), host, 80, Path("s")).url == url


@pytest.mark.parametrize("folder", ["data", "long" * 30, "odd %?#", "हिन्दी"])
def test_the_socket_is_private_and_its_path_short(
    tmp_path_factory: pytest.TempPathFactory, folder: str
) -> None:
    data = tmp_path_factory.mktemp("d") / folder
    data.mkdir()
    with socket_path(data) as path:
        assert len(os.fsencode(path)) <= SOCKET_PATH_BYTES
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert not set("%?# ") & set(str(path))
        assert (path.parent == data / "run") == (folder == "data")
    assert not path.parent.exists()


def test_the_lock_is_given_back(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path / "data"):
            assert (tmp_path / "data" / "serve.lock").read_text() == str(os.getpid())


def test_the_service_goes_on_without_a_live_worker_that_does_not_start(
    stack: Stack, signals: Signals, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack_module, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(stack_module, "LONGEST_PAUSE", 0.01)
    stack._live.command = [sys.executable, "-c", FAILING]
    start(stack)

    def stop() -> None:
        while stack._live in stack._children:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=stop)
    thread.start()
    assert stack.watch()
    thread.join()
    assert said[-1].startswith("The live worker ended (exit status 1) once too often.")
    assert all(child.running for child in stack._children)
    assert stack.stop()
