"""`shrutlekh submit` on a folder, interrupted and repeated: nothing is lost, nothing becomes a job twice."""

import json
import secrets
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared import draining
from shared.database import Database
from tests.stack.conftest import ROOT, Service

pytestmark = pytest.mark.stack


def noise(path: Path, seconds: float = 0.5) -> None:
    """Write a recording that no other test has."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(secrets.token_bytes(2 * int(seconds * 16000)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(8):
        noise(folder / f"{index}.wav")
    return folder


class Runs:
    """Runs of `submit` on a folder that count as one client."""

    def __init__(self, service: Service, folder: Path) -> None:
        self._service = service
        self._client = f"test-{secrets.token_hex(8)}"
        self._command = [sys.executable, "-m", "ops", "submit", str(folder), "--url", service.url]
        self._command += ["--client", self._client]

    def begin(self, *options: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*self._command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )

    def __call__(self, *options: str, code: int = 0) -> dict[str, dict[str, Any]]:
        """Run to the end; the JSON line of each recording, by name."""
        with self.begin("--json", *options) as process:
            out, err = process.communicate(timeout=120)
        assert process.returncode == code, err
        return {Path(line["path"]).name: line for line in map(json.loads, out.splitlines())}

    def jobs(self) -> list[str]:
        """The ids of all jobs of the client."""
        page = self._service.http.get("/v1/jobs", params={"limit": 200}).raise_for_status().json()
        return [job["id"] for job in page["jobs"] if job["client"] == self._client]


@pytest.fixture
def runs(service: Service, folder: Path) -> Runs:
    return Runs(service, folder)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def statuses(lines: dict[str, dict[str, Any]]) -> list[str]:
    return [lines[name]["status"] for name in sorted(lines)]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("arrived", [1, 6])
def test_eight_recordings_are_eight_jobs(runs: Runs, folder: Path, how: signal.Signals, arrived: int) -> None:
    for _ in range(2):
        with runs.begin("--jobs", "3") as process:
            until(lambda: len(runs.jobs()) >= arrived)
            process.send_signal(how)
            process.communicate(timeout=60)
    lines = runs()
    assert len(lines) == len(runs.jobs()) == 8
    assert {line["id"] for line in lines.values()} == set(runs.jobs())
    assert len(list(folder.glob("*.txt"))) == len(list(folder.glob("*.json"))) == 8
    assert not list(folder.glob("*.job"))
    assert statuses(runs()) == ["skipped"] * 8


def test_what_was_only_submitted_is_fetched(runs: Runs, service: Service, folder: Path) -> None:
    submitted = runs("--no-wait", "--priority", "low")
    stored = len(service.stored_files())
    assert statuses(runs()) == ["fetched"] * 8
    assert set(runs.jobs()) == {line["id"] for line in submitted.values()}
    assert len(service.stored_files()) == stored
    assert not list(folder.glob("*.job"))


def test_without_the_state_files_the_keys_lead_to_the_jobs(runs: Runs, folder: Path) -> None:
    runs("--no-wait")
    for index, path in enumerate(sorted(folder.glob("*.job"))):
        path.write_bytes(b"\0") if index % 2 else path.unlink()
    runs()
    assert len(runs.jobs()) == 8


def test_greedy_and_then_the_default(runs: Runs, folder: Path) -> None:
    assert statuses(runs("--decoder", "greedy")) == ["succeeded"] * 8
    assert statuses(runs()) == ["succeeded"] * 8
    document = json.loads((folder / "0.json").read_bytes())
    assert (document["options"]["decoder"], document["requested"]["decoder"]) == ("beam", None)
    assert statuses(runs("--decoder", "beam")) == ["skipped"] * 8
    assert len(runs.jobs()) == 16


def test_erased_jobs_are_made_again(runs: Runs, service: Service) -> None:
    for line in runs("--no-wait").values():
        service.http.get(f"/v1/jobs/{line['id']}", params={"wait": 30})
        service.http.delete(f"/v1/jobs/{line['id']}").raise_for_status()
    assert statuses(runs()) == ["succeeded"] * 8
    assert len(runs.jobs()) == 8


def test_a_failed_recording_gets_a_new_job_in_each_run(runs: Runs, folder: Path) -> None:
    (folder / "3.wav").write_bytes(b"This is no recording." + secrets.token_bytes(8))
    failed = [runs(code=1)["3.wav"]]
    failed.append(runs(code=1)["3.wav"])
    (folder / "3.job").unlink()
    failed.append(runs(code=1)["3.wav"])
    assert [line["error"]["code"] for line in failed] == ["audio_unreadable"] * 3
    assert len({line["id"] for line in failed}) == 3
    assert len(runs.jobs()) == 7 + 3
    noise(folder / "3.wav")
    assert runs()["3.wav"]["status"] == "succeeded"


def test_equal_recordings_and_other_extensions(runs: Runs, folder: Path) -> None:
    runs()
    (folder / "0.WAV").write_bytes((folder / "0.wav").read_bytes())
    (folder / "1.aif").write_bytes((folder / "2.wav").read_bytes())
    (folder / "1.mp3").write_bytes((folder / "3.wav").read_bytes())
    assert set(statuses(runs())) == {"skipped", "fetched"}
    assert len(runs.jobs()) == 8
    names = {path.name for path in folder.glob("1.*.txt")}
    assert names == {"1.wav.txt", "1.aif.txt", "1.mp3.txt"}
    assert not (folder / "1.txt").exists()
    assert len(list(folder.glob("*.txt"))) == 11
    assert set(statuses(runs())) == {"skipped"}


def test_drained_workers_are_told_and_their_return(runs: Runs, service: Service) -> None:
    database = Database(service.database)
    draining.begin(database)
    try:
        with runs.begin() as process:
            assert process.stderr is not None
            first = process.stderr.readline()
            assert "workers are drained" in first
            draining.end(database)
            _, err = process.communicate(timeout=60)
    finally:
        draining.end(database)
        database.close()
    assert process.returncode == 0, err
    assert "workers are drained" not in err
    assert err.splitlines()[-1] == "8 transcribed."
