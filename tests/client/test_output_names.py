"""Recordings that differ only in the extension: each keeps its own outputs, in whatever order they come."""

import itertools
import json
import unicodedata
from pathlib import Path

import pytest
from shrutlekh import ShrutlekhClient
from shrutlekh.bulk import Renamed, Submission, plan

from tests.client.fake_service import FakeService
from tests.client.test_submission import options_of, submit

WAV, MP3 = "same.wav", "same.mp3"


def outputs(folder: Path) -> dict[str, str]:
    """The name of each NAME.json, with the recording that it is of."""
    return {path.name: json.loads(path.read_bytes())["file"]["name"] for path in folder.glob("*.json")}


def texts(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.txt")}


BOTH = {"same.wav.json": WAV, "same.mp3.json": MP3}


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("order", [*itertools.permutations([(WAV,), (MP3,)]), [(WAV, MP3)]])
def test_both_are_kept_in_any_order(
    service: FakeService, tmp_path: Path, order: list[tuple[str, ...]], beside: bool
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    out = folder if beside else tmp_path / "out"
    for names in order:
        for name in names:
            (folder / name).write_bytes(name.encode())
        submit(service, folder, None if beside else out, formats=frozenset({"srt"}))
    assert outputs(out) == BOTH
    assert texts(out) == {"same.wav.txt", "same.mp3.txt"}
    assert (out / "same.wav.txt").read_text(encoding="utf-8") == "नमस्ते same.wav\n"
    assert {path.name for path in out.glob("*.srt")} == {"same.wav.srt", "same.mp3.srt"}
    assert len(service.uploads) == 2, "nothing is transcribed again"
    again = submit(service, folder, None if beside else out, formats=frozenset({"srt"}))
    assert {outcome.status for outcome in again.values()} == {"skipped"}


def test_the_name_becomes_short_again_when_the_other_goes(service: FakeService, tmp_path: Path) -> None:
    for name in (WAV, MP3):
        (tmp_path / name).write_bytes(name.encode())
    submit(service, tmp_path)
    (tmp_path / MP3).unlink()
    for path in tmp_path.glob("same.mp3.*"):
        path.unlink()
    assert submit(service, tmp_path)[WAV].status == "skipped"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["same.json", "same.png", "same.txt", WAV]


def test_a_recording_that_replaces_another_takes_over_the_name(service: FakeService, tmp_path: Path) -> None:
    (tmp_path / WAV).write_bytes(b"wav")
    submit(service, tmp_path)
    (tmp_path / WAV).unlink()
    (tmp_path / MP3).write_bytes(b"mp3")
    assert submit(service, tmp_path)[MP3].status == "succeeded"
    assert outputs(tmp_path) == {"same.json": MP3}
    assert (tmp_path / "same.txt").read_text(encoding="utf-8") == "नमस्ते same.mp3\n"


def test_a_recording_that_changed_meanwhile_leaves_nothing_behind(
    service: FakeService, tmp_path: Path
) -> None:
    (tmp_path / WAV).write_bytes(b"wav")
    submit(service, tmp_path)
    (tmp_path / WAV).write_bytes(b"changed")
    (tmp_path / MP3).write_bytes(b"mp3")
    submit(service, tmp_path)
    assert outputs(tmp_path) == BOTH
    assert texts(tmp_path) == {"same.wav.txt", "same.mp3.txt"}


def test_a_queued_job_moves_along(service: FakeService, tmp_path: Path) -> None:
    (tmp_path / WAV).write_bytes(b"wav")
    submit(service, tmp_path, wait=False)
    (tmp_path / MP3).write_bytes(b"mp3")
    assert submit(service, tmp_path)[WAV].status == "fetched"
    assert outputs(tmp_path) == BOTH
    assert len(service.uploads) == 2
    assert not list(tmp_path.glob("*.job"))


def test_an_interrupted_renaming_is_completed(service: FakeService, tmp_path: Path) -> None:
    (tmp_path / WAV).write_bytes(b"wav")
    submit(service, tmp_path)
    (tmp_path / MP3).write_bytes(b"mp3")
    (tmp_path / "same.png").rename(tmp_path / "same.wav.png")
    assert submit(service, tmp_path)[WAV].status == "skipped"
    assert outputs(tmp_path) == BOTH


def test_outputs_of_another_folder_are_not_taken(service: FakeService, tmp_path: Path) -> None:
    """Under one --out, a file of the same name may be another recording's."""
    for folder, names in (("p", [WAV]), ("q", [WAV, MP3])):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_bytes(f"{folder}/{name}".encode())
    out = tmp_path / "out"
    submit(service, tmp_path / "p", out)
    before = (out / "same.json").read_bytes()
    submit(service, tmp_path / "q", out)
    assert (out / "same.json").read_bytes() == before
    assert outputs(out) == {"same.json": WAV, **BOTH}


def test_the_renaming_is_told(service: FakeService, tmp_path: Path) -> None:
    (tmp_path / WAV).write_bytes(b"wav")
    submit(service, tmp_path)
    (tmp_path / MP3).write_bytes(b"mp3")
    with ShrutlekhClient(service.url) as client:
        events = list(Submission(client, plan([tmp_path]), options_of()).run())
    (renamed,) = [event for event in events if isinstance(event, Renamed)]
    assert renamed == Renamed(str(tmp_path / WAV), str(tmp_path / "same"), str(tmp_path / "same.wav"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Same.wav", "same.wav"),
        ("Same.WAV", "same.mp3"),
        (unicodedata.normalize("NFC", "é.wav"), unicodedata.normalize("NFD", "é.wav")),
        (unicodedata.normalize("NFC", "ख़त.wav"), "ख़त.mp3"),
    ],
)
def test_names_that_a_file_system_may_treat_as_equal(
    service: FakeService, tmp_path: Path, one: str, other: str
) -> None:
    (tmp_path / one).write_bytes(b"one")
    submit(service, tmp_path)
    (tmp_path / other).write_bytes(b"other")
    if len({path.name for path in tmp_path.glob("*") if path.suffix.lower() in {".wav", ".mp3"}}) == 1:
        pytest.skip("this file system treats them as equal")
    alone = {
        recording.source: recording.output for name in (one, other) for recording in plan([tmp_path / name])
    }
    together = {recording.source: recording.output for recording in plan([tmp_path])}
    assert alone == together
    keys = {unicodedata.normalize("NFC", output).casefold() for output in together.values()}
    assert len(keys) == 2
    submit(service, tmp_path)
    assert sorted(outputs(tmp_path).values()) == sorted([one, other])
    assert len(service.uploads) == len(texts(tmp_path)) == 2
