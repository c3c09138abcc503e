"""The result of a job: played, read, corrected and downloaded."""

import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from playwright.sync_api import expect

from tests.browser.conftest import Visits
from tests.browser.job_list import row
from tests.browser.job_result import correct, current_time, download, retype, saved, watch_player, words
from tests.browser.recordings import speech
from tests.stack.conftest import Service

pytestmark = pytest.mark.stack

SECONDS = 20
CORRECTION = "श्रुतलेख"


@pytest.fixture
def job(service: Service, tmp_path: Path) -> str:
    """A job of a few sentences that has succeeded, with a spectrogram."""
    file = ("बैठक.wav", speech(tmp_path / "speech.wav", SECONDS).read_bytes())
    answer = service.http.post("/v1/jobs", files={"file": file}, data={"spectrogram": "true"})
    job_id = answer.raise_for_status().json()["id"]
    done = service.http.get(f"/v1/jobs/{job_id}", params={"wait": 60}).raise_for_status().json()
    assert done["status"] == "succeeded"
    return str(job_id)


def transcript(http: httpx.Client, job: str, kind: str = "json", **query: str) -> httpx.Response:
    return http.get(f"/v1/jobs/{job}/transcript", params={"format": kind, **query}).raise_for_status()


def machine_words(http: httpx.Client, job: str) -> list[dict[str, Any]]:
    """The words that the machine wrote."""
    segments = transcript(http, job, revision="machine").json()["segments"]
    return [word for segment in segments for word in segment["words"]]


def test_the_recording_is_played_and_its_words_are_marked(visit: Visits, service: Service, job: str) -> None:
    look = visit(service)
    watch_player(look)
    page = look.open_job(job)
    heard = machine_words(service.http, job)
    expect(words(page)).to_have_count(len(heard))
    look.check("result")

    # A word is heard by a click, and marked while it is spoken.
    chosen = len(heard) // 2
    words(page).nth(chosen).click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.locator(".word.now")).to_have_text(heard[chosen]["text"])
    assert abs(current_time(page) - heard[chosen]["start"]) < 2
    later = heard[chosen + 2]
    page.wait_for_function("(seconds) => player.currentTime > seconds", arg=later["start"] + 0.05, polling=20)
    page.get_by_role("button", name="Pause").click()
    assert page.evaluate("player.paused")
    now = current_time(page)
    spoken = [word["text"] for word in heard if word["start"] <= now <= word["end"]]
    if spoken:
        expect(page.locator(".word.now").first).to_have_text(spoken[0])
    look.screenshot("result-paused")

    # A click on the time line seeks.
    line = page.get_by_role("slider", name="Position in the recording")
    box = line.bounding_box()
    assert box is not None
    line.click(position={"x": box["width"] * 0.75, "y": box["height"] / 2})
    assert current_time(page) == pytest.approx(SECONDS * 0.75, abs=0.2)
    assert int(line.get_attribute("aria-valuenow") or 0) == pytest.approx(SECONDS * 0.75, abs=1)
    line.press("Home")
    assert current_time(page) == 0
    line.press("ArrowRight")
    assert current_time(page) == pytest.approx(5, abs=0.1)


def test_words_are_coloured_by_their_confidence(visit: Visits, service: Service, job: str) -> None:
    look = visit(service)
    page = look.open_job(job)
    heard = machine_words(service.http, job)
    expect(words(page)).to_have_count(len(heard))
    low = sum(word["confidence"] < 0.5 for word in heard)
    mid = sum(0.5 <= word["confidence"] < 0.8 for word in heard)
    expect(words(page).and_(page.locator(".low"))).to_have_count(low)
    expect(words(page).and_(page.locator(".mid"))).to_have_count(mid)
    expect(page.get_by_text(f"{low + mid} uncertain word")).to_have_count(1 if low + mid else 0)


def test_the_waveform_and_the_spectrogram_are_shown(visit: Visits, service: Service, job: str) -> None:
    look = visit(service)
    page = look.open_job(job)
    for name in ("Waveform of बैठक.wav", "Spectrogram of बैठक.wav"):
        picture = page.get_by_role("img", name=name)
        page.wait_for_function("(image) => image.naturalWidth > 0", arg=picture.element_handle())
    look.check("result-pictures")


def test_a_corrected_word_is_in_every_download(visit: Visits, service: Service, job: str) -> None:
    look = visit(service)
    page = look.open_job(job)
    before = machine_words(service.http, job)
    correct(page, 1, CORRECTION)
    expect(words(page).nth(1)).to_have_text(CORRECTION)
    look.check("result-corrected")
    for kind in ("txt", "srt", "vtt", "json"):
        assert CORRECTION in download(page, kind).decode(), kind
    document = json.loads(download(page, "json"))
    assert document["revision"]["number"] == 1
    typed = document["segments"][0]["words"][1]
    assert (typed["text"], typed["confidence"]) == (CORRECTION, None)
    # The machine's text is kept beside it.
    assert machine_words(service.http, job) == before
    page.get_by_label("Version").select_option(label="As the machine wrote it")
    assert CORRECTION not in download(page, "txt").decode()

    # It is there after a reload, and can be undone for good.
    page.reload()
    expect(words(page).nth(1)).to_have_text(CORRECTION)
    page.get_by_role("button", name="Back to the machine's text").click()
    question = page.get_by_role("dialog", name="Discard all corrections?")
    question.get_by_role("button", name="Discard corrections").click()
    expect(words(page).nth(1)).to_have_text(before[1]["text"])
    assert transcript(service.http, job).json()["revision"] is None


def test_corrections_are_made_with_the_keyboard(visit: Visits, service: Service, job: str) -> None:
    look = visit(service)
    page = look.open_job(job)
    before = [word["text"] for word in machine_words(service.http, job)]
    expect(words(page)).to_have_count(len(before))
    words(page).first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.keyboard.type("दो शब्द")
    look.check("result-editing")
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(words(page)).to_have_count(len(before) + 1)
    expect(saved(page)).to_have_text("Saved")
    page.keyboard.press("Control+z")
    expect(words(page)).to_have_count(len(before))
    expect(saved(page)).to_have_text("Saved")


def test_two_people_correct_the_same_text(visit: Visits, service: Service, job: str) -> None:
    first, second = visit(service), visit(service)
    second.allow(r"412 \(Precondition Failed\)")
    pages = [first.open_job(job), second.open_job(job)]
    for page in pages:
        expect(words(page).first).to_be_visible()
    correct(pages[0], 0, "पहला")
    retype(pages[1], 1, "दूसरा")
    expect(pages[1].get_by_text("Somebody else has changed this text meanwhile.")).to_be_visible()
    second.check("result-conflict")
    pages[1].get_by_role("button", name="Load theirs").click()
    expect(words(pages[1]).first).to_have_text("पहला")
    correct(pages[1], 1, "दूसरा")
    assert transcript(service.http, job, "txt").text.split()[:2] == ["पहला", "दूसरा"]


def test_warnings_are_on_the_time_line(visit: Visits, service: Service, tmp_path: Path) -> None:
    samples, rate = soundfile.read(speech(tmp_path / "whole.wav", SECONDS), dtype="float32")
    samples[4 * rate : 6 * rate] = np.nan
    soundfile.write(tmp_path / "damaged.wav", samples, rate, subtype="FLOAT")
    file = ("damaged.wav", (tmp_path / "damaged.wav").read_bytes()[: -8 * rate])
    job = service.http.post("/v1/jobs", files={"file": file}).raise_for_status().json()["id"]
    done = service.http.get(f"/v1/jobs/{job}", params={"wait": 60}).raise_for_status().json()
    assert {warning["code"] for warning in done["warnings"]} == {"audio_gaps", "audio_truncated"}
    look = visit(service)
    watch_player(look)
    page = look.open_job(job)
    warnings = page.get_by_role("region", name="What is imperfect about this recording")
    expect(warnings).to_contain_text("The recording is damaged in one place")
    expect(warnings).to_contain_text("The recording was cut off or never finished")
    expect(warnings.get_by_role("img", name="Marked like this on the time line")).to_be_visible()
    look.check("result-with-warnings")
    warnings.get_by_role("button", name="Go to 0:04").click()
    assert current_time(page) == pytest.approx(4, abs=0.1)
    look.open()
    expect(row(page, "damaged.wav")).to_contain_text("cut off, damaged places")


def test_a_recording_without_speech_says_so(visit: Visits, service: Service, tmp_path: Path) -> None:
    noise = np.random.default_rng(7).normal(0, 0.003, 48_000)
    soundfile.write(tmp_path / "noise.wav", noise, 16_000)
    file = ("noise.wav", (tmp_path / "noise.wav").read_bytes())
    job = service.http.post("/v1/jobs", files={"file": file}).raise_for_status().json()["id"]
    service.http.get(f"/v1/jobs/{job}", params={"wait": 60}).raise_for_status()
    look = visit(service)
    page = look.open_job(job)
    expect(page.get_by_text("No speech was found")).to_be_visible()
    look.check("result-without-speech")


def test_a_job_that_does_not_exist(visit: Visits, service: Service) -> None:
    look = visit(service)
    look.allow(r"404 \(Not Found\)")
    page = look.open_job("00000000-0000-7000-8000-000000000000")
    expect(page.get_by_role("alert")).to_contain_text("There is no such recording.")
    look.check("job-not-found")
