"""Serve the front end on a port, in a thread of the test process."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from api.__main__ import Server
from api.app import create_app
from shared.settings import Settings
from tests.api.pretend_worker import PretendWorker


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    """Serve a front end with these settings. Yields its URL."""
    app = create_app(settings)
    server = Server(app, uvicorn.Config(app, port=0, log_config=None, timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, name="front end")
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive(), "the front end has ended"
            assert time.monotonic() < deadline, "the front end does not start"
            time.sleep(0.01)
        (listener, *_) = server.servers[0].sockets
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


@contextmanager
def working(worker: PretendWorker) -> Iterator[None]:
    """Let a fake worker succeed at every job, from a thread, until the context ends."""
    stopped = threading.Event()

    def work() -> None:
        while not stopped.wait(0.01):
            worker.finish_any()

    thread = threading.Thread(target=work, name="pretend worker")
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(20)
