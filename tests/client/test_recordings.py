"""Which files are found, and that outputs never meet."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shrutlekh.bulk.recordings import OUTPUT_EXTENSIONS, PathNotFound, plan


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def named(root: Path, *paths: Path, out: Path | None = None) -> dict[str, str]:
    base = root if out is None else out
    return {
        os.path.relpath(recording.source, root): os.path.relpath(recording.output, base)
        for recording in plan(paths, out)
    }


def test_a_folder_is_searched_for_recordings_in_order(tmp_path: Path) -> None:
    make(tmp_path, "b.WAV", "a.mp3", "deep/er/c.flac", "d.ogg", "e.opus")
    make(tmp_path, "f.m4a", "g.AMR", "h.mkv", "i.3gp")
    make(tmp_path, "notes.txt", "film.srt", ".hidden.wav", ".folder/f.wav", "wav")
    found = list(named(tmp_path, tmp_path))
    flat = ["a.mp3", "b.WAV", "d.ogg", "e.opus", "f.m4a", "g.AMR", "h.mkv", "i.3gp"]
    assert found == [*flat, "deep/er/c.flac"]


def test_a_named_file_counts_whatever_its_extension(tmp_path: Path) -> None:
    make(tmp_path, "voice.amr", ".hidden.wav")
    assert named(tmp_path, tmp_path / "voice.amr", tmp_path / ".hidden.wav") == {
        "voice.amr": "voice",
        ".hidden.wav": ".hidden",
    }


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PathNotFound, match=r"no file or folder .*nowhere"):
        plan([tmp_path / "nowhere"])


def test_outputs_mirror_the_folders_under_out(tmp_path: Path) -> None:
    make(tmp_path / "in", "a.wav", "x/y/b.wav")
    out = tmp_path / "out"
    assert named(tmp_path, tmp_path / "in", out=out) == {"in/a.wav": "a", "in/x/y/b.wav": "x/y/b"}


def test_a_recording_named_twice_is_done_once_in_the_place_of_the_outer_folder(tmp_path: Path) -> None:
    make(tmp_path / "in", "x/a.wav")
    out = tmp_path / "out"
    inner, outer = tmp_path / "in" / "x", tmp_path / "in"
    for order in ([inner, outer], [outer, inner], [inner / "a.wav", outer]):
        assert named(tmp_path, *order, out=out) == {"in/x/a.wav": "x/a"}


def test_links_to_one_recording_are_recordings_of_their_own(tmp_path: Path) -> None:
    make(tmp_path, "a.wav")
    (tmp_path / "b.wav").symlink_to(tmp_path / "a.wav")
    (tmp_path / "dangling.wav").symlink_to(tmp_path / "gone.wav")
    assert named(tmp_path, tmp_path) == {"a.wav": "a", "b.wav": "b"}


def test_names_that_differ_in_the_extension_keep_it_even_when_named_alone(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "a.mp3", "b.wav")
    together = {"a.mp3": "a.mp3", "a.wav": "a.wav", "b.wav": "b"}
    assert named(tmp_path, tmp_path) == together
    for name, output in together.items():
        assert named(tmp_path, tmp_path / name) == {name: output}


def test_an_output_never_takes_the_place_of_a_recording(tmp_path: Path) -> None:
    make(tmp_path, "a.json", "a.wav")
    names = named(tmp_path, tmp_path / "a.json", tmp_path / "a.wav")
    assert names == {"a.json": "a.json", "a.wav": "a.wav"}


def test_files_of_one_name_from_two_folders_do_not_meet_under_out(tmp_path: Path) -> None:
    make(tmp_path, "p/a.wav", "q/a.wav", "q/b.wav")
    out = tmp_path / "out"
    names = named(tmp_path, tmp_path / "p", tmp_path / "q", out=out)
    assert names == named(tmp_path, tmp_path / "q", tmp_path / "p", out=out)
    assert names["q/b.wav"] == "b"
    assert names["p/a.wav"] != names["q/a.wav"]
    assert all(names[source].startswith("a.wav-") for source in ("p/a.wav", "q/a.wav"))


NAMES = st.lists(
    st.tuples(
        st.sampled_from(["p", "q", "p/r"]),
        st.sampled_from(["a", "A", "a.wav", "a.mp3", "a.json", "a.wav.txt", "é", "e\u0301", ".h"]),
        st.sampled_from([".wav", ".mp3", ".WAV", ".txt", ".json", ".png", ""]),
    ).map(lambda parts: f"{parts[0]}/{parts[1]}{parts[2]}"),
    min_size=1,
    max_size=12,
    unique=True,
)


@given(names=NAMES, beside=st.booleans(), by_name=st.booleans())
def test_outputs_never_meet(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], beside: bool, by_name: bool
) -> None:
    root = tmp_path_factory.mktemp("names")
    make(root, *names)
    paths = [root / name for name in names] if by_name else [root / "p", root / "q"]
    paths = [path for path in paths if path.exists()]
    out = None if beside else root / "p"
    recordings = plan(paths, out)
    written = [recording.output + extension for recording in recordings for extension in OUTPUT_EXTENSIONS]
    assert len({os.path.normpath(path).casefold() for path in written}) == len(written)
    sources = {recording.source for recording in recordings}
    assert not sources & set(written)
    assert plan(reversed(paths), out) == recordings
    if by_name:
        assert sources == {str(path) for path in paths}


def test_an_unreadable_folder_is_told_and_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a.wav", "locked/b.wav")
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    told: list[str] = []
    assert [Path(r.source).name for r in plan([tmp_path], warn=told.append)] == ["a.wav"]
    assert told == [f"The folder {tmp_path}/locked cannot be read."]
