"""The page of a job that has not ended: its place in the queue, its text so far, and its end."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visits
from tests.browser.recordings import DEVANAGARI, sentence, speech
from tests.browser.slow_worker import SlowWorker
from tests.stack.conftest import Service

pytestmark = pytest.mark.stack


def submit(service: Service, path: Path) -> str:
    file = (path.name, path.read_bytes())
    return str(service.http.post("/v1/jobs", files={"file": file}).raise_for_status().json()["id"])


def test_a_job_is_followed_to_its_result(
    visit: Visits, service: Service, slow_worker: SlowWorker, tmp_path: Path
) -> None:
    look = visit(service)
    with slow_worker.slowed():
        first = submit(service, speech(tmp_path / "first.wav", seconds=90))
        second = submit(service, sentence(tmp_path / "second.wav"))
        page = look.open_job(second)
        state = page.get_by_role("region", name="State of the job")
        expect(state).to_contain_text("Waiting. It is next.")
        look.check("job-waiting")
        look.open_job(first)
        expect(state).to_contain_text("Being transcribed")
        expect(page.get_by_role("region", name="Text so far")).to_contain_text(DEVANAGARI)
        look.check("job-running")
    expect(page.get_by_test_id("words")).to_contain_text(DEVANAGARI)
    expect(state).to_be_hidden()


def test_a_job_is_cancelled_and_transcribed_again(
    visit: Visits, service: Service, slow_worker: SlowWorker, tmp_path: Path
) -> None:
    look = visit(service)
    with slow_worker.slowed():
        page = look.open_job(submit(service, speech(tmp_path / "cancelled.wav", seconds=90)))
        expect(page.get_by_text("Being transcribed")).to_be_visible()
        page.get_by_role("button", name="Cancel", exact=True).click()
        expect(page.get_by_text("This job was cancelled.")).to_be_visible()
        look.check("job-cancelled")
    page.get_by_role("button", name="Transcribe again").first.click()
    expect(page.get_by_test_id("words")).to_contain_text(DEVANAGARI)
