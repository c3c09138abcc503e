"""The page of the real service in a real browser.

All tests look at one service, and tell their jobs apart by the names of the recordings. Through a second API
process it requires keys.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from ops.service.instance import free_port, socket_of
from shared.database import Database
from tests.api.keys import make_key
from tests.browser.chromium import launched
from tests.browser.slow_worker import SlowWorker
from tests.browser.visit import Visit
from tests.stack.conftest import ROOT, Service, serving
from tests.worker.pool import wait_until

# So that faults are noticed soon.
SETTINGS = {
    "SHRUTLEKH_SWEEP_SECONDS": "0.5",
    "SHRUTLEKH_HEARTBEAT_SECONDS": "0.5",
    "SHRUTLEKH_LEASE_SECONDS": "8",
}
Visits = Callable[..., Visit]


def database_url(service: Service) -> str:
    """URL of a service's database."""
    return f"sqlite:///{service.data / 'shrutlekh.db'}"


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="package")
def slow_worker(tmp_path_factory: pytest.TempPathFactory) -> SlowWorker:
    """The worker of the service without keys."""
    return SlowWorker(tmp_path_factory.mktemp("slow-worker"))


@pytest.fixture(scope="package")
def service(slow_worker: SlowWorker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service without keys, with one process that works."""
    data = tmp_path_factory.mktemp("service")
    with serving(data, SETTINGS | slow_worker.settings(), "--workers", "1") as service:
        yield service


@pytest.fixture(scope="package")
def keyed_service(service: Service) -> Iterator[Service]:
    """The same service through an API process that requires keys. Each key has a list of its own."""
    port = free_port("127.0.0.1", 0)
    environment = os.environ | {
        "SHRUTLEKH_DATA_DIR": str(service.data),
        "SHRUTLEKH_DISK_RESERVE_BYTES": "0",
        "SHRUTLEKH_PORT": str(port),
        "SHRUTLEKH_REDIS_URL": f"unix://{socket_of(service.data)}",
        "SHRUTLEKH_REQUIRE_KEYS": "always",
    }
    url = f"http://127.0.0.1:{port}"
    path = service.data / "logs" / "api-with-keys.log"
    with path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "api"], env=environment, cwd=ROOT, stdout=log, stderr=log
        )
    try:
        with httpx.Client(base_url=url, timeout=60) as http:
            wait_until(lambda: answers(http), path.read_text)
            yield Service(url, service.data, service.database, http, process.pid)
    finally:
        process.terminate()
        process.wait(30)


def answers(http: httpx.Client) -> bool:
    """Whether an API answers."""
    with suppress(httpx.TransportError):
        return http.get("/healthz").is_success
    return False


@pytest.fixture
def key(keyed_service: Service) -> str:
    """A new key of the service that requires keys. It sees no job but its own."""
    with closing(Database(database_url(keyed_service))) as database:
        return make_key(database)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: "pytest.CallInfo[None]") -> Iterator[None]:
    """Take a picture of what a failed test looked at."""
    report: Any = yield
    if call.when == "call" and report.failed:
        for number, visit in enumerate(getattr(item, "visits", [])):
            visit.screenshot(f"failed-{item.name}-{number}".replace("/", "-"))
    return report


@pytest.fixture
def visit(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Visits]:
    """Opens the page of a service: ``visit(service, language="hi")``. Nothing may go wrong on it."""
    visits: list[Visit] = []
    request.node.visits = visits

    def begin(service: Service, **options: Any) -> Visit:
        visits.append(Visit(browser, service.url, **options))
        return visits[-1]

    yield begin
    problems = [problem for one in visits for problem in one.problems()]
    for one in visits:
        one.close()
    assert not problems, "\n".join(problems)
