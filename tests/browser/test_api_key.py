"""A service that requires keys: the page asks for one, and everything works with it."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visits
from tests.browser.job_list import finished, open_result
from tests.browser.job_result import download, watch_player
from tests.browser.recordings import sentence
from tests.stack.conftest import Service

pytestmark = pytest.mark.stack

REFUSED = r"401 \(Unauthorized\)"


def test_the_page_asks_for_a_key(visit: Visits, keyed_service: Service, key: str) -> None:
    look = visit(keyed_service)
    look.allow(REFUSED)
    page = look.open()
    prompt = page.get_by_role("dialog", name="API key")
    expect(prompt).to_be_visible()
    field = prompt.get_by_label("Key", exact=True)
    expect(field).to_be_focused()
    look.check("key-prompt")
    field.fill("shl_wrong")
    page.keyboard.press("Enter")
    expect(prompt.get_by_role("alert")).to_contain_text("does not accept this key")
    look.check("key-wrong")
    prompt.get_by_label("Key", exact=True).fill(key)
    prompt.get_by_role("button", name="Use this key").click()
    expect(prompt).to_be_hidden()
    expect(page.get_by_role("button", name="Change the API key")).to_be_visible()


def test_a_key_that_is_not_remembered_ends_with_the_tab(
    visit: Visits, keyed_service: Service, key: str
) -> None:
    look = visit(keyed_service)
    look.allow(REFUSED)
    page = look.open()
    prompt = page.get_by_role("dialog", name="API key")
    prompt.get_by_label("Key", exact=True).fill(key)
    prompt.get_by_role("button", name="Use this key").click()
    expect(prompt).to_be_hidden()
    page.reload()
    expect(page.get_by_role("button", name="Change the API key")).to_be_visible()
    expect(prompt).to_be_hidden()
    other = look.context.new_page()
    other.goto(keyed_service.url)
    expect(other.get_by_role("dialog", name="API key")).to_be_visible()


def test_recordings_are_uploaded_watched_played_and_downloaded_with_the_key(
    visit: Visits, keyed_service: Service, key: str, tmp_path: Path
) -> None:
    path = sentence(tmp_path / "keyed.wav")
    look = visit(keyed_service, key=key)
    watch_player(look)
    page = look.open()
    finished(page, path)
    job = open_result(page, path.name)
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function("() => player.currentTime > 0.2")
    source = page.evaluate("player.currentSrc")
    assert "ticket=" in source
    assert key not in source
    headers = {"Authorization": f"Bearer {key}"}
    text = keyed_service.http.get(f"/v1/jobs/{job}/transcript", params={"format": "txt"}, headers=headers)
    assert download(page, "txt") == text.content
    look.check("result-with-a-key")
