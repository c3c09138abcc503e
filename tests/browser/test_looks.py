"""Languages, colours, small screens and the keyboard, in all views."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visits
from tests.browser.job_list import finished, row
from tests.browser.recordings import sentence
from tests.browser.visit import DESKTOP, PHONE
from tests.stack.conftest import Service

pytestmark = pytest.mark.stack

LOOKS = {
    "hindi-dark": {"language": "hi", "theme": "dark", "size": DESKTOP},
    "hindi-phone": {"language": "hi", "theme": "light", "size": PHONE},
    "english-dark-phone": {"language": "en", "theme": "dark", "size": PHONE},
}
# Where each view is, and what is there when it is drawn.
VIEWS = {
    "list": ("", ".jobs a.name"),
    "dictation": ("#/dictate", ".mic"),
    "models": ("#/models", "table"),
    "result": ("#/jobs/{job}", ".picture img"),
}


@pytest.fixture(scope="module")
def job(service: Service) -> str:
    """A job that has succeeded."""
    file = ("अक्टूबर की बैठक.wav", (Path(__file__).parents[2] / "samples" / "garden.wav").read_bytes())
    options = {"spectrogram": "true"}
    answer = service.http.post("/v1/jobs", files={"file": file}, data=options).raise_for_status().json()
    service.http.get(f"/v1/jobs/{answer['id']}", params={"wait": 30}).raise_for_status()
    return str(answer["id"])


@pytest.mark.parametrize("name", LOOKS)
def test_every_view_in_every_look(visit: Visits, service: Service, job: str, name: str) -> None:
    options: dict[str, Any] = LOOKS[name]
    look = visit(service, **options)
    page = look.open()
    assert page.evaluate("document.documentElement.lang") == options["language"]
    for view, (place, last) in VIEWS.items():
        look.open(place.format(job=job))
        expect(page.locator(last).first).to_be_visible()
        page.wait_for_load_state("networkidle")
        look.check(f"{view}-{name}")


def test_the_language_and_the_colours_can_be_chosen(visit: Visits, service: Service) -> None:
    look = visit(service)
    page = look.open()
    page.get_by_role("button", name="हिन्दी").click()
    expect(page.get_by_role("link", name="मॉडल")).to_be_visible()
    expect(page.get_by_role("button", name="English")).to_be_focused()
    background = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(background)
    page.locator(".tools button").first.click()
    assert page.evaluate(background) != light
    page.reload()
    expect(page.get_by_role("button", name="English")).to_be_visible()
    assert page.evaluate(background) != light


def test_a_model_with_many_errors_has_a_warning(visit: Visits, service: Service) -> None:
    look = visit(service)
    page = look.open("#/models")
    for model in service.http.get("/v1/models").raise_for_status().json()["models"]:
        card = page.get_by_role("article", name=model["name"])
        expect(card.get_by_role("table")).to_be_visible()
        worst = max(one["wer"] for one in model["evaluation"] if one["decoder"] == model["default_decoder"])
        warning = card.get_by_text("Check every text against its recording")
        expect(warning).to_have_count(1 if worst > 0.2 else 0)
    expect(page.get_by_text("Default", exact=True)).to_have_count(1)
    look.check("models")


def focused(page: Page) -> str:
    """Name and role of what has the focus."""
    return str(
        page.evaluate(
            "(() => { const a = document.activeElement;"
            " return a.getAttribute('aria-label') || a.innerText || a.tagName; })()"
        )
    )


def test_everything_can_be_done_with_the_keyboard(visit: Visits, service: Service, tmp_path: Path) -> None:
    path = sentence(tmp_path / "keyboard.wav", 3)
    look = visit(service)
    page = look.open()
    finished(page, path)
    page.reload()
    expect(row(page, path.name)).to_be_visible()
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the content"
    look.screenshot("keyboard-skip-link")
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(focused(page))
        if seen[-1] == "Delete keyboard.wav":
            break
    order = ["Recordings", "Dictate", "Models", "Dark colours", "हिन्दी", "Choose files", "Choose a folder"]
    order += ["Options", "Search by name", "Select all on this page", "Select keyboard.wav", "keyboard.wav"]
    order += ["Delete keyboard.wav"]
    found = [name for name in seen if name in order]
    assert found == order
    look.screenshot("keyboard-focus")

    page.keyboard.press("Enter")
    question = page.get_by_role("dialog", name="Delete for good?")
    expect(question.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    assert focused(page) == "Delete keyboard.wav"
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(row(page, path.name)).to_have_count(0)
