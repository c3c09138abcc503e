"""Looking elsewhere in the middle of something: nothing is lost, and nothing else is touched."""

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Visits
from tests.browser.job_list import row, submitted
from tests.browser.job_result import retype, saved, words
from tests.browser.recordings import DEVANAGARI, sentence, speech
from tests.stack.conftest import Service

pytestmark = pytest.mark.stack


def test_another_search_does_not_change_what_is_deleted(
    visit: Visits, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The service has pages of 200 jobs; here it sends pages of one, so that the second comes late."""
    folder = tmp_path_factory.mktemp("recordings")
    chosen = [sentence(folder / f"wanted-{number}.wav", 1) for number in range(3)]
    other = sentence(folder / "spared.wav", 1)
    look = visit(service)
    page = look.open()
    submitted(page, other, *chosen)
    for path in (other, *chosen):
        expect(row(page, path.name)).to_contain_text("Done")

    def in_small_pages(route: Route) -> None:
        route.continue_(url=route.request.url.replace("limit=200", "limit=1").replace("limit=50", "limit=2"))

    look.context.route("**/v1/jobs?**", in_small_pages)
    search = page.get_by_role("searchbox", name="Search by name")
    with page.expect_response("**/v1/jobs?*name=wanted*"):
        search.fill("wanted")
    expect(row(page, other.name)).to_be_hidden()
    expect(page.get_by_role("list", name="Jobs").get_by_role("listitem")).to_have_count(2)
    page.get_by_role("checkbox", name="Select all on this page").check()
    page.get_by_role("button", name="Select all that match").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    search.fill("")
    expect(page.get_by_text("3 recordings are deleted.")).to_be_visible()
    left = {job["file"]["name"] for job in service.http.get("/v1/jobs?limit=200").json()["jobs"]}
    assert other.name in left
    assert not left & {path.name for path in chosen}


def test_a_dictation_outlives_its_view(visit: Visits, service: Service) -> None:
    look = visit(service)
    page = look.open("#/dictate")
    page.get_by_role("button", name="Start recording").click()
    expect(page.get_by_role("region", name="Dictated text")).to_contain_text(DEVANAGARI)
    page.get_by_test_id("language").click()
    expect(page.get_by_role("button", name="रिकॉर्डिंग रोकें")).to_be_visible()  # it still listens
    page.get_by_test_id("language").click()
    page.get_by_role("link", name="Models").click()
    expect(page.get_by_role("heading", name="Models")).to_be_visible()
    page.wait_for_timeout(1_500)  # a view that is drawn again soon would go on listening
    page.get_by_role("link", name="Dictate").click()
    expect(page.get_by_role("region", name="Dictated text")).to_contain_text(DEVANAGARI)
    expect(page.get_by_role("button", name="Keep as a recording")).to_be_visible()
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_role("button", name="Keep as a recording")).to_be_hidden()


def test_a_correction_that_could_not_be_saved_is_there_on_return(
    visit: Visits, service: Service, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = ("सभा.wav", speech(tmp_path_factory.mktemp("speech") / "speech.wav", 8).read_bytes())
    job = service.http.post("/v1/jobs", files={"file": file}).raise_for_status().json()["id"]
    service.http.get(f"/v1/jobs/{job}", params={"wait": 60}).raise_for_status()
    look = visit(service)
    look.allow("ERR_INTERNET_DISCONNECTED")
    page = look.open()
    page.goto(f"{service.url}/#/jobs/{job}")
    expect(words(page).first).to_be_visible()
    look.context.set_offline(True)
    retype(page, 0, "श्रुतलेख")
    expect(saved(page)).to_have_text("Not saved")
    page.get_by_role("link", name="All recordings").click()
    expect(page.get_by_role("heading", name="Drop recordings")).to_be_visible()
    page.go_back()
    look.context.set_offline(False)
    expect(words(page).first).to_have_text("श्रुतलेख")
    expect(saved(page)).to_have_text("Saved")
    text = service.http.get(f"/v1/jobs/{job}/transcript", params={"format": "txt"}).text
    assert text.startswith("श्रुतलेख")


def test_nobody_asks_twice_for_a_key_that_is_not_given(visit: Visits, keyed_service: Service) -> None:
    look = visit(keyed_service)
    look.allow(r"401 \(Unauthorized\)")
    page = look.open()
    prompt = page.get_by_role("dialog", name="API key")
    prompt.get_by_role("button", name="Cancel").click()
    refused = page.get_by_role("alert").get_by_role("button", name="Try again")
    expect(refused).to_be_visible()
    with page.expect_response("**/v1/jobs?**", timeout=20_000):  # the list looks again by itself
        pass
    expect(prompt).to_be_hidden()
    refused.click()
    expect(prompt).to_be_visible()
