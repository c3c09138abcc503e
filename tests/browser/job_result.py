"""What the page of a result shows: its player, its words, its downloads."""

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.visit import Visit

# The page draws its own controls: the element that plays is not in the document.
CATCH_AUDIO = """
const Element = window.Audio;
window.Audio = function Audio(...values) { window.player = new Element(...values); return window.player; };
"""


def watch_player(look: Visit) -> None:
    """Give the tests the audio element of pages that open from now on: ``player`` in the page."""
    look.context.add_init_script(CATCH_AUDIO)


def current_time(page: Page) -> float:
    """Where the player is, in seconds."""
    return float(page.evaluate("player.currentTime"))


def words(page: Page) -> Locator:
    return page.get_by_test_id("words").locator(".word")


def saved(page: Page) -> Locator:
    """What the page says about the corrections."""
    return page.get_by_test_id("save-state")


def retype(page: Page, index: int, text: str) -> None:
    """Type another text in the place of a word."""
    words(page).nth(index).dblclick()
    field = page.get_by_role("textbox", name="Correct “")
    field.fill(text)
    field.press("Enter")


def correct(page: Page, index: int, text: str) -> None:
    """Type another text in the place of a word, and wait until it is saved."""
    retype(page, index, text)
    expect(saved(page)).to_have_text("Saved")


def download(page: Page, kind: str) -> bytes:
    """Download the text in a format."""
    with page.expect_download() as started:
        page.get_by_role("button", name=re.compile(rf"^Download .*\({kind.upper()}\)$")).click()
    return Path(started.value.path()).read_bytes()
