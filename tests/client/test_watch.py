"""``shrutlekh submit --watch``: a drop folder whose recordings are transcribed as they arrive."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path

import pytest
from shrutlekh.bulk.done_folder import DoneFolder
from shrutlekh.bulk.drop_folder import DropFolder
from shrutlekh.bulk.recordings import Recording, plan

from tests.client.fake_service import FakeService, serving

SETTLE = 0.3


class Watch:
    """A running ``shrutlekh submit --watch``, and what it says on stderr."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        self._log = log
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ops", "submit", "--watch", *arguments],
                stderr=stderr,
                stdout=subprocess.DEVNULL,
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    def has_said(self, words: str) -> None:
        """Wait until it has said this."""
        eventually(lambda: words in self.said)

    def stop(self, by: signal.Signals = signal.SIGTERM) -> str:
        """Stop it and return what it has said."""
        self.process.send_signal(by)
        assert self.process.wait(20) == 0, self.said
        return self.said


@contextmanager
def watching(service_url: str, *arguments: object) -> Iterator[Watch]:
    """Run the command; it is killed at the end of the block unless it has ended."""
    options = ["--settle", str(SETTLE), "--url", service_url, *map(str, arguments)]
    with tempfile.TemporaryDirectory() as folder:
        watch = Watch(options, Path(folder) / "stderr")
        try:
            yield watch
        finally:
            watch.process.kill()
            watch.process.wait()


def eventually(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def drop_folder(*folders: Path, out: Path | None = None, settle: float = 0.2) -> DropFolder:
    return DropFolder(list(folders), out, lambda _: None, settle)


def test_what_lies_there_and_what_arrives(service: FakeService, tmp_path: Path) -> None:
    inbox, out = tmp_path / "inbox", tmp_path / "out"
    (inbox / "day").mkdir(parents=True)
    (inbox / "a.wav").write_bytes(b"a")
    with watching(service.url, inbox, "--out", out) as watch:
        eventually((out / "a.json").exists)
        (inbox / "day" / "b.mp3").write_bytes(b"b")
        (inbox / "notes.doc").write_bytes(b"n")
        (inbox / ".hidden.wav").write_bytes(b"h")
        eventually((out / "day" / "b.json").exists)
        (inbox / "a.wav").write_bytes(b"another a")  # changed: transcribed again
        watch.has_said("3 succeeded")
        said = watch.stop()
    assert service.uploads == ["a.wav", "b.mp3", "a.wav"]
    assert said.startswith(f"Watching {inbox}. Press Ctrl-C to stop.\n1 succeeded ")
    assert said.endswith("Stopped. 3 transcribed.\n")
    assert (inbox / "a.wav").exists()


def test_a_recording_that_grows_is_taken_when_it_has_stopped(service: FakeService, tmp_path: Path) -> None:
    growing = tmp_path / "long.wav"
    with watching(service.url, tmp_path) as watch:
        began = time.monotonic()
        with growing.open("wb", buffering=0) as file:
            while time.monotonic() - began < 6 * SETTLE:
                file.write(b"x" * 100)
                time.sleep(SETTLE / 5)
                assert service.uploads == []
        eventually(growing.with_suffix(".json").exists)
        watch.stop(signal.SIGINT)
    assert service.uploads == ["long.wav"]
    assert service.bytes_received == growing.stat().st_size


def test_done_recordings_are_moved_beside_their_texts(service: FakeService, tmp_path: Path) -> None:
    inbox, done = tmp_path / "inbox", tmp_path / "done"
    inbox.mkdir()
    service.outcome = {
        "bad.wav": {"status": "failed", "error": {"code": "audio_unreadable", "message": "Why."}}
    }
    (inbox / "bad.wav").write_bytes(b"bad")
    with watching(service.url, inbox, "--done", done) as watch:
        (inbox / "REC01.wav").write_bytes(b"monday")
        eventually((done / "REC01.wav").exists)
        (inbox / "REC01.wav").write_bytes(b"tuesday")  # recorders reuse names
        eventually((done / "REC01-2.wav").exists)
        (inbox / "rec01.mp3").write_bytes(b"wednesday")
        eventually((done / "rec01-3.mp3").exists)
        watch.has_said("bad.wav: ")
        said = watch.stop()
    assert (done / "REC01.wav").read_bytes() == b"monday"
    assert (done / "REC01-2.wav").read_bytes() == b"tuesday"
    names = {path.name for path in done.iterdir()}
    kinds = ("txt", "json", "png")
    expected = {f"{stem}.{kind}" for stem in ("REC01", "REC01-2", "rec01-3") for kind in kinds}
    assert names == expected | {"REC01.wav", "REC01-2.wav", "rec01-3.mp3", "bad.job"}
    assert [path.name for path in inbox.iterdir()] == ["bad.wav"], "a failed recording stays"
    assert "bad.wav: audio_unreadable: Why." in said
    assert said.endswith("Stopped. 3 transcribed, 1 failed.\n")


def test_a_run_that_was_killed_before_the_move_goes_on(service: FakeService, tmp_path: Path) -> None:
    inbox, done = tmp_path / "inbox", tmp_path / "done"
    for folder in (inbox, done):
        folder.mkdir()
        (folder / "a.wav").write_bytes(folder.name.encode())
    (done / "a.txt").write_text("kept")
    with watching(service.url, inbox, "--done", done) as watch:
        eventually((done / "a-2.wav").exists)
        watch.stop()
    (done / "a-2.wav").rename(inbox / "a.wav")  # as if it had not been moved
    with watching(service.url, inbox, "--done", done) as watch:
        eventually((done / "a-2.wav").exists)
        said = watch.stop()
    assert said.endswith("Stopped. 1 skipped.\n")
    assert service.uploads == ["a.wav"]
    assert (done / "a.txt").read_text() == "kept"


def test_it_outlasts_an_outage(tmp_path: Path) -> None:
    with ExitStack() as until_the_end:
        with serving(FakeService()) as first:
            port = int(first.url.rpartition(":")[2])
            watch = until_the_end.enter_context(watching(first.url, tmp_path))
            (tmp_path / "a.wav").write_bytes(b"a")
            watch.has_said("1 succeeded")
        (tmp_path / "b.wav").write_bytes(b"b")
        watch.has_said("Waiting: ")
        assert watch.process.poll() is None
        with serving(FakeService(), port):
            watch.has_said("2 succeeded")
            watch.stop()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nowhere"], "There is no folder nowhere to watch"),
        (["in", "--no-wait"], "--no-wait"),
        (["in", "--force"], "--force"),
        (["in", "--done", "in/done"], "is inside the watched"),
        (["in", "--done", "d", "--out", "o"], "--out"),
        (["in", "--out", "file"], "is not a folder"),
        (["in", "--settle", "0"], "--settle"),
    ],
)
def test_what_makes_no_sense_is_refused(
    service: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    with watching(service.url, *arguments) as watch:
        assert watch.process.wait(20) == 2
        assert reason in watch.said


def test_done_without_watch_is_refused(service: FakeService, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ops", "submit", str(tmp_path), "--done", "d"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert (ended.returncode, "needs --watch" in ended.stderr) == (2, True)


def test_an_empty_file_is_left_for_a_minute(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "full.wav").write_bytes(b"x")
    drop = drop_folder(tmp_path)
    assert [Path(recording.source).name for recording in islice(drop, 1)] == ["full.wav"]
    time.sleep(0.5)
    assert drop._settled(time.monotonic()) == []
    assert [recording.name for recording in drop._settled(time.monotonic() + 61)] == ["empty.wav"]


def test_a_folder_that_disappears_and_returns(tmp_path: Path) -> None:
    folder = tmp_path / "share"
    folder.mkdir()
    (folder / "a.wav").write_bytes(b"x")
    drop = drop_folder(folder)
    assert [recording.name for recording in islice(drop, 1)] == ["a.wav"]
    folder.rename(tmp_path / "away")
    moment = time.monotonic()
    assert drop._settled(moment) == []
    (tmp_path / "away").rename(folder)
    drop._settled(moment + 1)
    assert [recording.name for recording in drop._settled(moment + 2)] == ["a.wav"]


def test_a_new_neighbour_changes_the_outputs_name(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"x")
    drop = drop_folder(tmp_path)
    assert [Path(recording.output).name for recording in islice(drop, 1)] == ["a"]
    (tmp_path / "a.mp3").write_bytes(b"x")
    moment = time.monotonic()
    drop._settled(moment)
    assert sorted(Path(one.output).name for one in drop._settled(moment + 1)) == ["a.mp3", "a.wav"]


def test_stopping_ends_the_iteration(tmp_path: Path) -> None:
    drop = drop_folder(tmp_path, settle=60)
    drop.stop()
    assert list(drop) == []


def test_moving_to_another_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox, done = tmp_path / "inbox", tmp_path / "done"
    inbox.mkdir()
    (inbox / "a.wav").write_bytes(b"x")
    folder = DoneFolder(plan([inbox], done))
    (placed,) = list(folder)

    def refuse(source: str, place: str) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "rename", refuse)
    assert folder.take(placed.source) == str(done / "a.wav")
    assert [path.name for path in done.iterdir()] == ["a.wav"]
    assert not (inbox / "a.wav").exists()


def test_a_move_that_fails_leaves_everything(tmp_path: Path) -> None:
    inbox, done = tmp_path / "inbox", tmp_path / "done"
    inbox.mkdir()
    (inbox / "a.wav").write_bytes(b"x")
    done.touch()  # not a folder
    folder = DoneFolder([Recording(str(inbox / "a.wav"), str(done / "a"), str(done / "a.wav"))])
    (placed,) = list(folder)
    with pytest.raises(OSError, match="done"):
        folder.take(placed.source)
    assert (inbox / "a.wav").exists()
