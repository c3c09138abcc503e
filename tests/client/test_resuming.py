"""An interrupted or unfinished run goes on: no job twice, no upload twice, never stuck on an old failure."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shrutlekh import ShrutlekhClient
from shrutlekh.bulk import Outcome, Submission, plan
from shrutlekh.bulk.submission_keys import submission_key
from shrutlekh_contract.options import SubmissionOptions

from tests.client.fake_service import FakeService, job_json, serving
from tests.client.test_submission import digest, options_of, recordings_in, submit

FAILED = {"status": "failed", "error": {"code": "attempts_exhausted", "message": "Why."}}


def statuses(outcomes: dict[str, Outcome]) -> list[str]:
    return [outcomes[name].status for name in sorted(outcomes)]


def run_of(service: FakeService, folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "ops", "submit", str(folder), "--url", service.url, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("arrived", [1, 3, 8])
def test_a_killed_run_makes_no_job_twice(
    service: FakeService, tmp_path: Path, how: signal.Signals, arrived: int
) -> None:
    folder = recordings_in(tmp_path / "in", 8)
    service.seconds, service.upload_seconds = 0.3, 0.05
    with run_of(service, folder, "--jobs", "2") as process:
        until(lambda: len(service.jobs) >= arrived)
        process.send_signal(how)
        process.communicate(timeout=20)
    outcomes = submit(service, folder)
    assert len(outcomes) == len(service.jobs) == len(service.uploads) == 8
    assert set(statuses(outcomes)) <= {"succeeded", "fetched", "skipped"}
    assert not list(folder.glob("*.job"))
    assert statuses(submit(service, folder)) == ["skipped"] * 8


def test_a_run_takes_up_what_an_earlier_one_only_submitted(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 3)
    service.seconds = 0.2
    first = submit(service, folder, wait=False, numerals="latin")
    assert statuses(first) == ["queued"] * 3
    assert len(list(folder.glob("*.job"))) == 3
    received = service.bytes_received
    again = submit(service, folder)
    assert statuses(again) == ["fetched"] * 3
    assert {name: outcome.job_id for name, outcome in again.items()} == {
        name: outcome.job_id for name, outcome in first.items()
    }
    assert (len(service.jobs), service.bytes_received) == (3, received)
    assert not list(folder.glob("*.job"))
    assert json.loads((folder / "000.json").read_text(encoding="utf-8"))["numerals"] == "latin"


def test_submitting_only_twice_submits_once(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 2)
    service.seconds = 3600
    submit(service, folder, wait=False)
    received = service.bytes_received
    again = submit(service, folder, wait=False)
    assert statuses(again) == ["queued"] * 2
    assert all(outcome.is_taken_up for outcome in again.values())
    for job in service.jobs.values():
        job["done_at"] = 0.0
    submit(service, folder)
    assert statuses(submit(service, folder, wait=False)) == ["skipped"] * 2
    (folder / "000.txt").unlink()
    assert statuses(submit(service, folder, wait=False)) == ["succeeded", "skipped"]
    assert (len(service.jobs), service.bytes_received) == (2, received)


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"job": "../../etc"}', '{"job": 1, "file": {}}', None])
def test_a_state_file_that_is_damaged_or_gone_costs_an_upload_and_no_job(
    service: FakeService, tmp_path: Path, damage: str | None
) -> None:
    folder = recordings_in(tmp_path / "in", 1)
    first = submit(service, folder, wait=False)["000.wav"]
    if damage is None:
        (folder / "000.job").unlink()
    else:
        (folder / "000.job").write_text(damage)
    again = submit(service, folder)["000.wav"]
    assert (again.status, again.job_id) == ("fetched", first.job_id)
    assert len(service.jobs) == 1


def test_no_state_file_where_none_can_be_written(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 1)
    (folder / "000.job").mkdir()
    assert statuses(submit(service, folder, wait=False)) == ["queued"]


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_failure_is_not_final(service: FakeService, tmp_path: Path, status: str) -> None:
    """Each run makes a new job, with and without what the earlier one left behind."""
    folder = recordings_in(tmp_path / "in", 1)
    service.outcome = {"000.wav": {**FAILED, "status": status}}
    jobs = [submit(service, folder)["000.wav"].job_id]
    jobs.append(submit(service, folder)["000.wav"].job_id)
    for _ in range(3):
        (folder / "000.job").unlink()
        jobs.append(submit(service, folder)["000.wav"].job_id)
    assert len(set(jobs)) == len(service.jobs) == 5
    uploads = service.bytes_received
    service.outcome = {}
    assert submit(service, folder)["000.wav"].status == "succeeded"
    assert service.bytes_received - uploads == (folder / "000.wav").stat().st_size
    assert not (folder / "000.job").exists()


def test_a_job_that_a_person_retried_is_taken_up(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 1)
    service.outcome = {"000.wav": FAILED}
    first = submit(service, folder)["000.wav"]
    assert first.job_id is not None
    service.outcome = {}
    with ShrutlekhClient(service.url) as client:
        client.retry(first.job_id)
    again = submit(service, folder)["000.wav"]
    assert (again.status, again.job_id, len(service.jobs)) == ("fetched", first.job_id, 1)


def test_an_erased_job_is_made_again(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 2)
    submit(service, folder, wait=False)
    service.jobs.clear()
    assert statuses(submit(service, folder)) == ["succeeded"] * 2
    assert len(service.jobs) == 2


def test_another_service_gets_the_recordings(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 2)
    submit(service, folder, wait=False)
    with serving(FakeService()) as other:
        assert statuses(submit(other, folder)) == ["succeeded"] * 2
        assert len(other.jobs) == 2


def test_force_makes_new_jobs_which_a_later_run_fetches(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 1)
    service.seconds = 0.1
    submit(service, folder)
    forced = submit(service, folder, force=True)["000.wav"]
    assert (forced.status, len(service.jobs)) == ("succeeded", 2)
    assert submit(service, folder, force=True, wait=False)["000.wav"].status == "queued"
    again = submit(service, folder)["000.wav"]
    assert (again.status, again.job_id) == ("fetched", [*service.jobs][2])
    assert (submit(service, folder)["000.wav"].status, len(service.jobs)) == ("skipped", 3)


def test_a_recording_or_options_that_changed_make_a_job_of_their_own(
    service: FakeService, tmp_path: Path
) -> None:
    folder = recordings_in(tmp_path / "in", 2)
    service.seconds = 0.1
    submit(service, folder, wait=False, waveform=False)
    (folder / "000.wav").write_bytes(b"another")
    outcomes = submit(service, folder, waveform=False)
    assert statuses(outcomes) == ["succeeded", "fetched"]
    submit(service, folder, wait=False, decoder="greedy")
    assert statuses(submit(service, folder)) == ["succeeded"] * 2, "neither greedy nor without a picture"
    assert len(service.jobs) == 7


def test_a_copy_with_another_time_is_recognised_by_its_bytes(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 1)
    submit(service, folder, wait=False)
    received = service.bytes_received
    os.utime(folder / "000.wav", (1, 1))
    assert submit(service, folder)["000.wav"].status == "fetched"
    assert service.bytes_received == received


def test_equal_recordings_share_a_job(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 1)
    (folder / "copy.wav").write_bytes((folder / "000.wav").read_bytes())
    outcomes = submit(service, folder)
    assert set(statuses(outcomes)) <= {"succeeded", "fetched"}
    assert len(service.jobs) == 1
    names = [json.loads((folder / f"{stem}.json").read_bytes())["file"]["name"] for stem in ("000", "copy")]
    assert names == ["000.wav", "copy.wav"]
    assert statuses(submit(service, folder)) == ["skipped"] * 2


def test_a_key_that_is_taken_is_passed_over(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 1)
    key = submission_key(digest(folder / "000.wav"), SubmissionOptions(model="hi-ctc-base"))
    other = job_json()
    service.keys[key] = service.jobs[other["id"]] = other
    outcome = submit(service, folder)["000.wav"]
    assert (outcome.status, len(service.uploads)) == ("succeeded", 1)
    assert outcome.job_id != other["id"]


def test_two_runs_at_once_share_the_jobs(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 12)
    service.seconds, service.upload_seconds = 0.05, 0.02
    with run_of(service, folder) as one, run_of(service, folder) as other:
        for process in (one, other):
            _, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
    assert len(service.jobs) == 12
    assert not list(folder.glob("*.job"))
    assert statuses(submit(service, folder)) == ["skipped"] * 12


def test_a_recording_is_hashed_once_in_a_run(
    service: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = []

    def counted(file: Any, name: str) -> Any:
        hashed.append(file.name)
        return original(file, name)

    original = __import__("hashlib").file_digest
    monkeypatch.setattr("shrutlekh.bulk.contents.hashlib.file_digest", counted)
    folder = recordings_in(tmp_path / "in", 1)
    submit(service, folder, decoder="greedy")
    assert len(hashed) == 1
    submit(service, folder, wait=False)
    assert len(hashed) == 2
    submit(service, folder)
    assert len(hashed) == 2, "size and time of NAME.job are enough"


def test_what_the_next_run_does(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 6)
    service.seconds = 0.3
    with run_of(service, folder, "--in-flight", "2", "--json") as process:
        assert process.stdout is not None
        process.stdout.readline()
        until(lambda: len(list(folder.glob("*.job"))) == 2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    done = len(list(folder.glob("*.json")))
    (line,) = [line for line in err.splitlines() if line.startswith("Interrupted. ")]
    known = re.search(
        r"It skips (\d+) finished, takes up (\d+) at the service without another upload, and submits (\d+)",
        line,
    )
    assert known is not None, line
    skipped, waiting, submitted = map(int, known.groups())
    assert skipped + waiting + submitted == 6
    assert skipped <= done <= skipped + waiting  # one may have ended after the count
    assert 1 <= waiting <= 2


def test_submission_keys() -> None:
    chosen = SubmissionOptions(model="m")
    key = submission_key("a" * 64, chosen)
    assert key == submission_key("a" * 64, SubmissionOptions(model="m", channels="mix", client="x"))
    assert key.isascii()
    assert len(key) <= 255
    others = [
        submission_key("b" * 64, chosen),
        submission_key("a" * 64, chosen, after="x"),
        submission_key("a" * 64, SubmissionOptions(model="n")),
        submission_key("a" * 64, SubmissionOptions(model="m", decoder="greedy")),
        submission_key("a" * 64, SubmissionOptions(model="m", hotwords=("घर",))),
        submission_key("a" * 64, SubmissionOptions(model="m", waveform=False)),
    ]
    assert len({key, *others}) == 7


def test_at_service_counts_jobs_without_outputs(service: FakeService, tmp_path: Path) -> None:
    folder = recordings_in(tmp_path / "in", 2)
    with ShrutlekhClient(service.url) as client:
        submission = Submission(client, plan([folder]), options_of(wait=False))
        list(submission.run())
        assert submission.at_service == 2
        submission = Submission(client, plan([folder]), options_of())
        list(submission.run())
        assert submission.at_service == 0
