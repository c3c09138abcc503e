"""A model folder is replaced in one step."""

import sys
import threading
from pathlib import Path

import pytest

from modelkit.folder_swap import replace_folder


def staged(parent: Path, number: int) -> Path:
    folder = parent / f".staged-{number}"
    folder.mkdir()
    (folder / "model.json").write_text(str(number), encoding="utf-8")
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges folders")
def test_readers_always_see_one(tmp_path: Path) -> None:
    target = tmp_path / "toy"
    replace_folder(staged(tmp_path, 0), target)
    done, missed, looks = threading.Event(), 0, 0

    def look() -> None:
        nonlocal missed, looks
        while not done.is_set():
            missed += not (target / "model.json").exists()
            looks += 1

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(1, 300):
        replace_folder(staged(tmp_path, number), target)
    done.set()
    reader.join()
    assert looks > 100
    assert missed == 0
    assert (target / "model.json").read_text(encoding="utf-8") == "299"
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]


def test_systems_that_cannot_exchange_folders_rename_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelkit.folder_swap._exchange", lambda *_: False)
    for number in range(3):
        replace_folder(staged(tmp_path, number), tmp_path / "toy")
        assert (tmp_path / "toy" / "model.json").read_text(encoding="utf-8") == str(number)
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]
