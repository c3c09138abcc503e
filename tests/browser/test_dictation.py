"""Dictation into the fake microphone, which hears a Hindi sentence."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visits
from tests.browser.job_list import row
from tests.browser.recordings import DEVANAGARI
from tests.stack.conftest import Service

pytestmark = pytest.mark.stack


def test_text_comes_while_one_speaks(visit: Visits, service: Service, tmp_path: Path) -> None:
    look = visit(service)
    page = look.open("#/dictate")
    look.check("dictation-idle")
    page.get_by_role("button", name="Start recording").click()
    text = page.get_by_role("region", name="Dictated text")
    expect(text).to_contain_text(DEVANAGARI)
    look.check("dictation-recording")
    page.get_by_role("button", name="Stop recording").click()
    expect(page.get_by_role("button", name="Start recording")).to_be_enabled()
    expect(text).to_contain_text(DEVANAGARI)
    look.check("dictation-done")

    page.get_by_role("button", name="Copy the text").click()
    expect(page.get_by_text("The text is copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == text.inner_text().strip()

    with page.expect_download() as download:
        page.get_by_role("button", name="Download as WAV").click()
    name = download.value.suggested_filename
    assert name.endswith(".wav")
    page.get_by_role("button", name="Keep as a recording").click()
    expect(row(page, name)).to_contain_text("Done")


def test_a_refused_microphone_is_explained(visit: Visits, service: Service) -> None:
    look = visit(service)
    look.context.add_init_script(
        "navigator.mediaDevices.getUserMedia = "
        "() => Promise.reject(new DOMException('Permission denied', 'NotAllowedError'))"
    )
    page = look.open("#/dictate")
    page.get_by_role("button", name="Start recording").click()
    expect(page.get_by_role("alert")).to_contain_text("does not let this page use the microphone")
    look.check("dictation-refused")
