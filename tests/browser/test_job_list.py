"""The list of jobs: recordings come in, and are watched, cancelled, retried and deleted."""

import zipfile
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visits
from tests.browser.dropping import drag_over, drop
from tests.browser.job_list import finished, row, submitted, upload
from tests.browser.recordings import DEVANAGARI, sentence, speech
from tests.browser.slow_worker import SlowWorker
from tests.stack.conftest import Service

pytestmark = pytest.mark.stack


def job_named(http: httpx.Client, name: str) -> dict[str, object]:
    """The newest job whose recording has this name."""
    jobs = http.get("/v1/jobs", params={"limit": 200}).raise_for_status().json()["jobs"]
    found: dict[str, object] = next(job for job in jobs if job["file"]["name"] == name)
    return found


def test_an_empty_list_invites(visit: Visits, keyed_service: Service, key: str) -> None:
    look = visit(keyed_service, key=key)
    page = look.open()
    expect(page.get_by_role("region", name="Add recordings")).to_have_class("drop big")
    expect(page.get_by_role("list", name="Jobs")).to_be_hidden()
    look.check("list-empty")


def test_a_file_is_dropped_and_becomes_text(visit: Visits, service: Service, tmp_path: Path) -> None:
    look = visit(service)
    page = look.open()
    path = sentence(tmp_path / "dropped.wav")
    zone = page.get_by_role("region", name="Add recordings")
    drag_over(look, zone, [path])
    look.screenshot("list-file-held-above")
    drop(look, zone, [path])
    expect(page.get_by_role("status").filter(has_text="1 recording added.")).to_be_visible()
    expect(row(page, "dropped.wav")).to_contain_text("Done")
    look.check("list-done")


def test_a_folder_is_dropped_with_the_folders_in_it(visit: Visits, service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "interviews"
    (folder / "day 2").mkdir(parents=True)
    sentence(folder / "folder-one.wav", 1)
    sentence(folder / "day 2" / "folder-two.wav", 2)
    (folder / "notes.txt").write_text("not a recording")
    (folder / ".hidden.wav").write_bytes(b"not a recording")
    look = visit(service)
    page = look.open()
    drop(look, page.get_by_role("region", name="Add recordings"), [folder])
    said = page.get_by_role("status").filter(has_text="2 recordings added. 1 other file was skipped.")
    expect(said).to_be_visible()
    for name in ("folder-one.wav", "folder-two.wav"):
        expect(row(page, name)).to_contain_text("Done")


def test_the_progress_of_an_upload_is_shown(visit: Visits, service: Service, tmp_path: Path) -> None:
    path = speech(tmp_path / "slow-line.wav", seconds=20)
    look = visit(service)
    page = look.open()
    look.limit_upload(path.stat().st_size / 3)
    upload(page, [path])
    progress = page.get_by_role("progressbar", name="slow-line.wav")
    expect(progress).to_be_visible()
    page.wait_for_function(
        "(bar) => bar.value > 0.1 && bar.value < 1", arg=progress.element_handle(), polling=50
    )
    look.check("uploading")
    expect(row(page, path.name)).to_contain_text("Done")
    expect(page.get_by_text("1 recording uploaded")).to_be_visible()


def test_an_upload_can_be_cancelled(visit: Visits, service: Service, tmp_path: Path) -> None:
    path = speech(tmp_path / "not-uploaded.wav", seconds=20)
    look = visit(service)
    page = look.open()
    look.limit_upload(path.stat().st_size / 20)
    upload(page, [path])
    page.get_by_role("button", name="Do not upload not-uploaded.wav").click()
    expect(page.get_by_role("region", name="Uploads")).to_be_hidden()
    names = [job["file"]["name"] for job in service.http.get("/v1/jobs").json()["jobs"]]
    assert path.name not in names


def test_jobs_are_watched_and_cancelled(
    visit: Visits, service: Service, slow_worker: SlowWorker, tmp_path: Path
) -> None:
    running = speech(tmp_path / "running.wav", seconds=150)
    waiting = [sentence(tmp_path / f"waiting-{number}.wav", number) for number in range(3)]
    look = visit(service)
    page = look.open()
    with slow_worker.slowed():
        submitted(page, running)
        first = row(page, running.name)
        expect(first).to_contain_text("Running")
        for path in waiting:
            submitted(page, path)
        expect(row(page, waiting[0].name)).to_contain_text("next")
        expect(row(page, waiting[2].name)).to_contain_text("2 before it")
        # Text of the recording so far, in Devanagari.
        expect(first.locator("[lang=hi]").last).to_have_text(DEVANAGARI)
        expect(first.get_by_role("progressbar", name="Progress of running.wav")).to_be_visible()
        look.check("list-running-and-waiting")

        page.get_by_role("button", name="Cancel waiting-1.wav").click()
        expect(row(page, "waiting-1.wav")).to_contain_text("Cancelled")
        expect(row(page, waiting[2].name)).to_contain_text("1 before it")
        page.get_by_role("button", name="Cancel running.wav").click()
        expect(first).to_contain_text("Cancelled")
    expect(row(page, waiting[2].name)).to_contain_text("Done")

    page.get_by_role("button", name="Transcribe waiting-1.wav again").click()
    expect(row(page, "waiting-1.wav")).to_contain_text("Done")


def test_a_failure_tells_why(visit: Visits, service: Service, tmp_path: Path) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(b"RIFF\0\0\0\0WAVEfmt nonsense")
    look = visit(service)
    page = look.open()
    submitted(page, path)
    failed = row(page, path.name)
    expect(failed).to_contain_text("Failed")
    error = job_named(service.http, path.name)["error"]
    assert isinstance(error, dict)
    expect(failed).to_contain_text(error["message"])
    look.check("list-failed")


def test_a_job_is_deleted_after_a_question(visit: Visits, service: Service, tmp_path: Path) -> None:
    path = sentence(tmp_path / "delete-me.wav")
    look = visit(service)
    page = look.open()
    finished(page, path)
    job = job_named(service.http, path.name)
    erase = page.get_by_role("button", name="Delete delete-me.wav")
    erase.click()
    question = page.get_by_role("dialog", name="Delete for good?")
    look.check("delete-question")
    question.get_by_role("button", name="Cancel").click()
    expect(question).to_be_hidden()
    expect(row(page, path.name)).to_be_visible()
    erase.click()
    question.get_by_role("button", name="Delete").click()
    expect(row(page, path.name)).to_have_count(0)
    assert service.http.get(f"/v1/jobs/{job['id']}").status_code == 404


def test_texts_of_selected_jobs_are_downloaded_together(
    visit: Visits, service: Service, tmp_path: Path
) -> None:
    paths = [sentence(tmp_path / f"together-{number}.wav", number) for number in range(2)]
    look = visit(service)
    page = look.open()
    finished(page, *paths)
    for path in paths:
        page.get_by_role("checkbox", name=f"Select {path.name}").check()
    expect(page.get_by_text("2 selected")).to_be_visible()
    look.check("list-selected")
    page.get_by_role("combobox", name="Format of the texts").select_option("srt")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download texts").click()
    archive = tmp_path / "texts.zip"
    download.value.save_as(archive)
    with zipfile.ZipFile(archive) as texts:
        assert texts.testzip() is None
        assert sorted(texts.namelist()) == ["together-0.srt", "together-1.srt"]
        job = job_named(service.http, "together-0.wav")
        srt = service.http.get(f"/v1/jobs/{job['id']}/transcript", params={"format": "srt"}).content
        assert texts.read("together-0.srt") == srt
