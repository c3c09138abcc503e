"""What the page shows and does while the service or the network is in trouble."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visits
from tests.browser.job_list import row, submitted, upload
from tests.browser.recordings import sentence, speech
from tests.browser.slow_worker import SlowWorker
from tests.stack.conftest import Service
from tests.worker.pool import wait_until

pytestmark = pytest.mark.stack

LOST = (r"net::ERR_", r"Failed to load resource")
"""What the browser itself reports of requests without an answer."""
NOT_READY = r"503 \(Service Unavailable\) .*/readyz"
"""What it reports while no worker is alive."""


def processes(service: Service, module: str) -> list[psutil.Process]:
    """The processes of a service that run a module, also those that they forked."""
    return [
        process
        for process in psutil.Process(service.pid).children(recursive=True)
        if process.cmdline()[-2:] == ["-m", module]
    ]


@contextmanager
def frozen(*stopped: psutil.Process) -> Iterator[None]:
    """Let processes do nothing during the block."""
    for process in stopped:
        process.suspend()
    try:
        yield
    finally:
        for process in stopped:
            process.resume()


def test_a_worker_is_killed_in_the_middle_of_a_job(
    visit: Visits, service: Service, slow_worker: SlowWorker, tmp_path: Path
) -> None:
    path = speech(tmp_path / "killed.wav", seconds=90)
    look = visit(service)
    look.allow(NOT_READY)
    page = look.open()
    with slow_worker.slowed():
        submitted(page, path)
        job = row(page, path.name)
        expect(job).to_contain_text("Running")
        expect(job).to_contain_text("%")
        for process in processes(service, "worker"):
            os.kill(process.pid, signal.SIGKILL)
        expect(job).to_contain_text("attempt 2 of 3", timeout=60_000)
        look.check("list-second-attempt")
    expect(job).to_contain_text("Done", timeout=60_000)
    jobs = service.http.get("/v1/jobs").raise_for_status().json()["jobs"]
    ends = [(one["status"], one["attempt"]) for one in jobs if one["file"]["name"] == path.name]
    assert ends == [("succeeded", 2)]


def test_the_server_is_restarted_in_the_middle_of_an_upload(
    visit: Visits, service: Service, tmp_path: Path
) -> None:
    path = speech(tmp_path / "restarted.wav", seconds=30)
    look = visit(service)
    look.allow(*LOST)
    page = look.open()
    look.limit_upload(path.stat().st_size / 3)
    upload(page, [path])
    progress = page.get_by_role("progressbar", name=path.name)
    page.wait_for_function("(bar) => bar.value > 0.3", arg=progress.element_handle(), polling=50)
    for process in processes(service, "api"):
        os.kill(process.pid, signal.SIGKILL)
    banner = page.get_by_text("The service can't be reached. Trying again…")
    expect(banner).to_be_visible()
    expect(page.get_by_text("trying again…", exact=True)).to_be_visible()
    look.check("upload-service-away")
    expect(banner).to_be_hidden()
    expect(row(page, path.name)).to_contain_text("Done", timeout=60_000)
    look.screenshot("upload-after-the-restart")
    jobs = service.http.get("/v1/jobs").raise_for_status().json()["jobs"]
    assert sum(job["file"]["name"] == path.name for job in jobs) == 1


def test_the_network_is_away_for_a_while(visit: Visits, service: Service, tmp_path: Path) -> None:
    look = visit(service)
    look.allow(*LOST)
    page = look.open()
    before = sentence(tmp_path / "before-offline.wav")
    submitted(page, before)
    look.context.set_offline(True)
    banner = page.get_by_text("The service can't be reached. Trying again…")
    expect(banner).to_be_visible()
    # What was there stays there, and what is added waits.
    expect(row(page, before.name)).to_be_visible()
    later = sentence(tmp_path / "while-offline.wav", 1)
    upload(page, [later])
    expect(page.get_by_text("trying again…", exact=True)).to_be_visible()
    look.check("offline")
    look.context.set_offline(False)
    expect(banner).to_be_hidden()
    expect(row(page, later.name)).to_contain_text("Done")


def test_no_worker_is_alive(visit: Visits, service: Service, tmp_path: Path) -> None:
    look = visit(service)
    look.allow(NOT_READY)
    page = look.page
    banner = page.get_by_text("No worker is running. Recordings are accepted and wait until one starts.")
    path = sentence(tmp_path / "no-worker.wav")
    with frozen(*processes(service, "worker")):
        wait_until(lambda: service.http.get("/readyz").status_code == 503, str)
        look.open()
        expect(banner).to_be_visible()
        submitted(page, path)
        expect(row(page, path.name)).to_contain_text("next")
        look.check("no-worker")
    expect(banner).to_be_hidden()
    expect(row(page, path.name)).to_contain_text("Done")
