"""The page of the real service in a real browser.

Each test looks at one of two services: one without API keys, whose jobs the tests tell apart by the names of
their recordings, and one that requires keys, where each key has a list of its own.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from playwright.sync_api import Browser

from shared.database import Database
from tests.api.keys import make_key
from tests.browser.chromium import launched
from tests.browser.slow_worker import SlowWorker
from tests.browser.visit import Visit
from tests.stack.conftest import Service, serving

# So that faults are noticed soon.
SETTINGS = {
    "SHRUTLEKH_SWEEP_SECONDS": "0.5",
    "SHRUTLEKH_HEARTBEAT_SECONDS": "0.5",
    "SHRUTLEKH_LEASE_SECONDS": "5",
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
def keyed_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that requires keys, with one process that works."""
    data = tmp_path_factory.mktemp("keyed-service")
    settings = SETTINGS | {"SHRUTLEKH_REQUIRE_KEYS": "always"}
    with serving(data, settings, "--workers", "1") as service:
        yield service


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
